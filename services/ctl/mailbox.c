/* quorate mailbox: letters between nodes, kept by the DHT while the other one is away.
 * Sealed and opened by keyring: neither the key nor a foreign text comes to dht. */

#include <inttypes.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/record.h"
#include "proto/keyring.pb-c.h"
#include "services/ctl/discovery.h"
#include "services/ctl/input_file.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"
#include "services/ctl/record_view.h"

#define LETTERS_MAX 64
#define FORGET_MAX  8  /* in one call */
#define LETTER_ID   32 /* bytes that name a letter */

struct mailbox_options {
        const char *file;
        bool all;
        nsec_t timeout;
};
static const struct option mailbox_table[] = {
        { OPTION_STRING, 0, "file", offsetof(struct mailbox_options, file), "FILE",
          "the text [standard input]", "send" },
        { OPTION_FLAG, 0, "all", offsetof(struct mailbox_options, all), NULL,
          "all that are there now", "forget" },
        { OPTION_TIMEOUT, 't', "timeout", offsetof(struct mailbox_options, timeout), "TIME",
          "for each lookup [30s]" },
        {},
};
static const struct mailbox_options mailbox_defaults = { .timeout = 30 * NSEC_PER_SEC };

/* By proto/keyring.proto. */
static const char *const keyring_remedies[] = {
        [1] = "give a text of 1 to 15872 bytes",
        [2] = "run it again in a moment",
        [3] = "see `quorate mailbox --help`",
};
static const struct call_target keyring = { .capability = "keyring/admin",
                                            .service = &keyring__admin__descriptor,
                                            .remedies = keyring_remedies,
                                            .n_remedies = ELEMENTSOF(keyring_remedies) };

static struct call_target records(const struct command_context *ctx) {
        const struct mailbox_options *o = ctx->options;

        return discovery_within(&discovery_records, o->timeout);
}

/* ---- send ---- */

/* The recipient's signed profile, which names its key; it stays in *ret. */
static int get_profile(const struct command_context *ctx, const struct peer_id *to,
                       struct unpacked *ret) {
        const struct mailbox_options *o = ctx->options;
        const struct call_target t = records(ctx);
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        char name[PEER_ID_TEXT_SIZE + 16] = "/profile/", why[256] = "cannot connect";
        const Dht__GetReply *reply;

        (void) peer_id_text(to, name + strlen(name));
        request.name = people_data(BYTES_STR(name));
        request.timeout_ms = discovery_ms(o->timeout);
        if (ctl_try(ctx, &t, "Get", &request, ret, why))
                return complain(ctx, EXIT_OTHER, "mailbox send: its profile: %s", why);
        reply = ret->message;
        if (reply->n_records == 0 || reply->records[0]->value.len == 0)
                return complain(ctx, EXIT_OTHER,
                                "mailbox send: that peer publishes no profile, so nobody can seal "
                                "a letter for it; see that its dht runs");
        return EXIT_OK;
}

static int seal(const struct command_context *ctx, const struct unpacked *profile,
                struct bytes text, struct unpacked *ret) {
        const Dht__GetReply *found = profile->message;
        Keyring__SealMailboxRequest request = KEYRING__SEAL_MAILBOX_REQUEST__INIT;

        request.profile = found->records[0]->value;
        request.text = people_data(text);
        return ctl_call(ctx, &keyring, "SealMailbox", &request, ret);
}

static int post(const struct command_context *ctx, const struct peer_id *to,
                const struct unpacked *sealed, struct unpacked *ret) {
        const Keyring__SealMailboxReply *box = sealed->message;
        const struct call_target t = records(ctx);
        Dht__SendRequest request = DHT__SEND_REQUEST__INIT;

        request.recipient = people_data(peer_id_bytes(to));
        request.sealed = box->box;
        return ctl_call(ctx, &t, "Send", &request, ret);
}

static int mailbox_send(const struct command_context *ctx) {
        const struct mailbox_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked profile = {};
        CLEANUP(unpacked_donep) struct unpacked sealed = {};
        CLEANUP(unpacked_donep) struct unpacked sent = {};
        CLEANUP(buffer_donep) struct buffer text = {};
        const Dht__PutReply *m;
        struct peer_id to;
        int code;

        if (ctx->operands.n_items != 2)
                return complain(ctx, EXIT_USAGE, "mailbox send: give the peer id of one recipient");
        if (!people_peer_operand(ctx, "mailbox send", ctx->operands.items[1], &to))
                return EXIT_USAGE;
        buffer_init(&text, RECORD_PAYLOAD_MAX);
        code = input_file_read(ctx, "mailbox send", o->file, &text);
        if (code == EXIT_OK && text.len == 0)
                code = complain(ctx, EXIT_USAGE,
                                "mailbox send: the text is empty; give --file FILE");
        if (code == EXIT_OK)
                code = get_profile(ctx, &to, &profile);
        if (code == EXIT_OK)
                code = seal(ctx, &profile, buffer_bytes(&text), &sealed);
        if (code == EXIT_OK)
                code = post(ctx, &to, &sealed, &sent);
        if (code)
                return code;
        m = sent.message;
        if (ctx->common.json)
                printf("{\"ok\":true,\"stored\":%u,\"asked\":%u}\n", m->stored, m->asked);
        else
                printf("sent, kept by %u of %u peers asked for 48 h or until it is read\n",
                       m->stored, m->asked);
        return EXIT_OK;
}

/* ---- read ---- */

static int fetch(const struct command_context *ctx, struct unpacked *ret) {
        const struct mailbox_options *o = ctx->options;
        const struct call_target t = records(ctx);
        Dht__MailboxRequest request = DHT__MAILBOX_REQUEST__INIT;

        request.max = LETTERS_MAX;
        request.timeout_ms = discovery_ms(o->timeout);
        return ctl_call(ctx, &t, "Mailbox", &request, ret);
}

/* As `forget` takes it: always digits, whatever the bytes look like. */
static const char *letter_id(const Dht__Record *r, char ret[2 * LETTER_ID + 8]) {
        size_t n = r->name.len < LETTER_ID ? r->name.len : LETTER_ID;

        (void) strcpy(ret, "hex:");
        hex_encode(BYTES(r->name.data, n), ret + 4);
        return ret;
}

/* `opened` NULL: `why` not. */
static void letter_json(const Dht__Record *r, const Keyring__OpenMailboxReply *opened,
                        const char *why) {
        char id[2 * LETTER_ID + 8];
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "letter", letter_id(r, id), &first);
        json_member_u64(stdout, "age_ms", r->age_ms, &first);
        json_member_u64(stdout, "expires_ms", r->expires_ms, &first);
        if (opened) {
                people_json_peer("sender", opened->sender, &first);
                people_json_bytes("text", people_bytes(opened->text), &first);
        } else {
                json_member_string(stdout, "error", why, &first);
        }
        fputs("}\n", stdout);
}

static void letter_text(const Dht__Record *r, const Keyring__OpenMailboxReply *opened,
                        const char *why) {
        char name[2 * LETTER_ID + 8], age[PEOPLE_AGE_SIZE], id[PEER_ID_TEXT_SIZE];

        printf("letter   %s\n", letter_id(r, name));
        printf("age      at most %s", people_age(r->age_ms, age));
        printf(", expires in %s\n", people_age(r->expires_ms, age));
        if (opened) {
                printf("from     %s (it signed this)\n", people_peer(opened->sender, id));
                people_print(people_bytes(opened->text));
        } else {
                printf("cannot be opened: %s\n", why);
        }
        putchar('\n');
}

/* NULL, after a warning, when gossip does not say it. */
static const Gossip__BlocklistReply *ask_blocklist(const struct command_context *ctx,
                                                   struct unpacked *ret) {
        Types__Empty empty = TYPES__EMPTY__INIT;
        char why[256] = "cannot connect";

        if (ctl_try(ctx, &discovery_reputation, "Blocklist", &empty, ret, why))
                fprintf(stderr,
                        "quorate: warning: who is blocked is not known (gossip: %s): "
                        "letters of all are shown\n",
                        why);
        return ret->message;
}

static bool is_blocked(const Gossip__BlocklistReply *list, ProtobufCBinaryData peer) {
        for (size_t i = 0; list && i < list->n_peers; i++)
                if (bytes_equal(people_bytes(list->peers[i]->peer), people_bytes(peer)))
                        return true;
        return false;
}

/* Who sent it is sealed with the text: here is the first place where that can be judged. False:
 * somebody who is blocked, and nothing of it is shown. */
static bool show_letter(const struct command_context *ctx, const Dht__Record *r,
                        const Gossip__BlocklistReply *blocked) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Keyring__OpenMailboxRequest request = KEYRING__OPEN_MAILBOX_REQUEST__INIT;
        const Keyring__OpenMailboxReply *opened;
        char why[256] = "cannot connect";

        request.box = r->payload;
        (void) ctl_try(ctx, &keyring, "OpenMailbox", &request, &u, why);
        opened = u.message;
        if (opened && is_blocked(blocked, opened->sender))
                return false;
        if (ctx->common.json)
                letter_json(r, opened, why);
        else
                letter_text(r, opened, why);
        return true;
}

/* Said apart from the letters, so that nobody takes those for all. */
static void warn_of_more(const Dht__GetReply *reply) {
        if (reply->left_out > 0)
                fprintf(stderr,
                        "quorate: warning: %u more letters were found; once these are "
                        "forgotten, ask again\n",
                        reply->left_out);
}

static int mailbox_read(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {}, list = {};
        const Gossip__BlocklistReply *blocked = NULL;
        const Dht__GetReply *reply;
        size_t n_blocked = 0;
        int code;

        if (ctx->operands.n_items > 1)
                return complain(ctx, EXIT_USAGE, "mailbox read: takes no operands; see --help");
        code = fetch(ctx, &u);
        if (code)
                return code;
        reply = u.message;
        if (reply->n_records > 0)
                blocked = ask_blocklist(ctx, &list);
        for (size_t i = 0; i < reply->n_records; i++)
                n_blocked += !show_letter(ctx, reply->records[i], blocked);
        warn_of_more(reply);
        if (ctx->common.json)
                return EXIT_OK;
        if (n_blocked > 0)
                printf("%zu of peers that are blocked not shown; `quorate mailbox forget --all` "
                       "drops them too\n",
                       n_blocked);
        if (reply->n_records == 0)
                printf("no letters; %u peers were asked\n", reply->asked);
        else
                puts("`quorate mailbox forget LETTER…` (or --all) lets the network drop them");
        return EXIT_OK;
}

/* ---- forget ---- */

static int forget(const struct command_context *ctx, ProtobufCBinaryData *names, size_t n) {
        const struct call_target t = records(ctx);
        int code = EXIT_OK;

        for (size_t i = 0; i < n && code == EXIT_OK; i += FORGET_MAX) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                Dht__ForgetRequest request = DHT__FORGET_REQUEST__INIT;

                request.names = names + i;
                request.n_names = n - i < FORGET_MAX ? n - i : FORGET_MAX;
                code = ctl_call(ctx, &t, "Forget", &request, &u);
        }
        return people_done(ctx, code, "%zu forgotten", n);
}

static int forget_all(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        ProtobufCBinaryData names[LETTERS_MAX];
        const Dht__GetReply *reply;
        size_t n = 0;
        int code = fetch(ctx, &u);

        if (code)
                return code;
        reply = u.message;
        for (; n < reply->n_records && n < LETTERS_MAX; n++)
                names[n] = reply->records[n]->name;
        warn_of_more(reply);
        return n > 0 ? forget(ctx, names, n) : people_done(ctx, EXIT_OK, "no letters");
}

/* Its digits, with hex: before them or without it. */
static bool take_letter(const char *given, struct buffer *ret) {
        char named[2 * LETTER_ID + 8];

        if (strlen(given) != 2 * LETTER_ID)
                return record_view_name(given, ret);
        (void) snprintf(named, sizeof(named), "hex:%s", given);
        return record_view_name(named, ret);
}

static int forget_named(const struct command_context *ctx) {
        CLEANUP(buffer_donep) struct buffer text = {};
        ProtobufCBinaryData names[LETTERS_MAX];
        size_t n = ctx->operands.n_items - 1, ends[LETTERS_MAX];

        buffer_init(&text, LETTERS_MAX * 256);
        for (size_t i = 0; i < n; i++) {
                if (!take_letter(ctx->operands.items[i + 1], &text))
                        return complain(ctx, EXIT_USAGE,
                                        "mailbox forget: '%s' is no letter; `quorate mailbox read` "
                                        "lists them",
                                        ctx->operands.items[i + 1]);
                ends[i] = text.len;
        }
        for (size_t i = 0; i < n; i++) {
                size_t begin = i > 0 ? ends[i - 1] : 0;

                names[i] = people_data(BYTES(text.data + begin, ends[i] - begin));
        }
        return forget(ctx, names, n);
}

static int mailbox_forget(const struct command_context *ctx) {
        const struct mailbox_options *o = ctx->options;
        size_t n = ctx->operands.n_items - 1;

        if (o->all ? n > 0 : n == 0 || n > LETTERS_MAX)
                return complain(ctx, EXIT_USAGE,
                                "mailbox forget: give 1 to %d letters that `quorate mailbox read` "
                                "lists, or --all",
                                LETTERS_MAX);
        return o->all ? forget_all(ctx) : forget_named(ctx);
}

static const struct {
        const char *name;
        int (*run)(const struct command_context *ctx);
} mailbox_verbs[] = {
        { "send", mailbox_send },
        { "read", mailbox_read },
        { "forget", mailbox_forget },
};

static int run(const struct command_context *ctx) {
        for (size_t i = 0; i < ELEMENTSOF(mailbox_verbs) && ctx->operands.n_items > 0; i++)
                if (strcmp(ctx->operands.items[0], mailbox_verbs[i].name) == 0)
                        return mailbox_verbs[i].run(ctx);
        return complain(ctx, EXIT_USAGE,
                        "mailbox: say send PEER, read, or forget LETTER… (or --all)");
}

const struct command command_mailbox = {
        .name = "mailbox",
        .usage = "mailbox send PEER | read | forget LETTER…",
        .summary = "Write to a peer that may be away; read what others wrote, but nobody blocked",
        .example = "quorate mailbox send 12D3KooW… --file letter.txt",
        .options = mailbox_table,
        .options_size = sizeof(struct mailbox_options),
        .defaults = &mailbox_defaults,
        .run = run,
};
