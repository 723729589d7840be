/* quorate key revoke: nothing signed with a key counts any more. Either the statement that was
 * signed when the key was made and put away, from any node; or this node's own key, while it is at
 * hand. */

#include <time.h>

#include "common/canonical/keychange.h"
#include "proto/keyring.pb-c.h"
#include "services/ctl/discovery.h"
#include "services/ctl/input_file.h"
#include "services/ctl/json.h"
#include "services/ctl/key.h"
#include "services/ctl/people.h"

#define FILE_MAX 4096

static const struct call_target admin = { .capability = "keyring/admin",
                                          .service = &keyring__admin__descriptor };

static int take_file(const struct command_context *ctx, const char *path, struct buffer *ret) {
        CLEANUP(buffer_donep) struct buffer text = {};
        int code;

        buffer_init(&text, FILE_MAX);
        code = input_file_read(ctx, "key revoke", path, &text);
        if (code)
                return code;
        if (!keychange_from_text(buffer_bytes(&text), ret))
                return complain(
                        ctx, EXIT_USAGE,
                        "key revoke: %s holds no revocation: one line " KEYCHANGE_TEXT_PREFIX
                        "… as `quorate key new` wrote it",
                        path);
        return EXIT_OK;
}

static int ask_keyring(const struct command_context *ctx, struct buffer *ret) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Keyring__RevokeRequest request = KEYRING__REVOKE_REQUEST__INIT;
        struct timespec now;
        int code;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        request.created_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
        code = ctl_call(ctx, &admin, "Revoke", &request, &u);
        if (code == EXIT_OK)
                buffer_put_bytes(
                        ret, people_bytes(((const Keyring__KeychangeReply *) u.message)->value));
        return code;
}

/* Whose key; false: it does not verify. */
static bool whose(const struct buffer *value, char ret[PEER_ID_TEXT_SIZE]) {
        struct keychange_parts parts;

        if (keychange_split(buffer_bytes(value), &parts) != KEYCHANGE_OK ||
            parts.fields.kind != KEYCHANGE_REVOCATION || !keychange_verify(&parts, NULL, NULL))
                return false;
        (void) peer_id_text(&parts.fields.peer, ret);
        return true;
}

static int publish(const struct command_context *ctx, const struct buffer *value,
                   const char *peer) {
        struct call_target t = discovery_within(&discovery_records, 30 * NSEC_PER_SEC);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Dht__PublishRequest request = DHT__PUBLISH_REQUEST__INIT;
        uint32_t stored;
        bool first = true;
        int code;

        request.value = people_data(buffer_bytes(value));
        code = ctl_call(ctx, &t, "Publish", &request, &u);
        if (code)
                return code;
        stored = ((const Dht__PutReply *) u.message)->stored;
        if (ctx->common.json) {
                fputc('{', stdout);
                json_member_string(stdout, "revoked", peer, &first);
                json_member_u64(stdout, "stored", stored, &first);
                fputs("}\n", stdout);
                return EXIT_OK;
        }
        printf("revoked  %s\nstored by %u peer%s%s; gossip brings it to all: they refuse that peer "
               "for good\n",
               peer, stored, stored == 1 ? "" : "s",
               stored == 0 ? ", kept here and brought when somebody is there" : "");
        return EXIT_OK;
}

int key_revoke(const struct command_context *ctx) {
        const struct key_options *o = ctx->options;
        const char *path = ctx->operands.n_items == 2 ? ctx->operands.items[1] : NULL;
        CLEANUP(buffer_donep) struct buffer value = {};
        char peer[PEER_ID_TEXT_SIZE] = "this node's own key";
        int code = EXIT_OK;

        buffer_init(&value, KEYCHANGE_BYTES_MAX);
        if (path)
                code = take_file(ctx, path, &value);
        if (code)
                return code;
        if (path && !whose(&value, peer))
                return complain(ctx, EXIT_USAGE,
                                "key revoke: %s is not signed by the key it names; take the file "
                                "that `quorate key new` wrote for that key",
                                path);
        if (!o->yes)
                return complain(ctx, EXIT_USAGE,
                                "key revoke: ends %s for good: others refuse it, and there is no "
                                "way back; say --yes if that is meant (another key in its place: "
                                "`quorate key rotate`)",
                                peer);
        if (!path)
                code = ask_keyring(ctx, &value);
        if (code)
                return code;
        if (!whose(&value, peer))
                return complain(ctx, EXIT_OTHER,
                                "key revoke: what keyring signed does not verify; see its log");
        return publish(ctx, &value, peer);
}
