#include "services/ctl/people.h"

#include <inttypes.h>
#include <stdarg.h>

#include "common/base/text.h"
#include "common/wire/multiaddr.h"
#include "services/ctl/json.h"

#define SHORT_LETTERS 8

const char *people_peer(ProtobufCBinaryData peer, char ret[PEER_ID_TEXT_SIZE]) {
        struct peer_id id;

        if (!peer_id_parse(people_bytes(peer), &id))
                return strcpy(ret, "?");
        return peer_id_text(&id, ret);
}

const char *people_short(ProtobufCBinaryData peer, char ret[PEOPLE_SHORT_SIZE]) {
        char text[PEER_ID_TEXT_SIZE];
        size_t n = strlen(people_peer(peer, text));

        if (n <= SHORT_LETTERS)
                return strcpy(ret, "");
        (void) snprintf(ret, PEOPLE_SHORT_SIZE, "…%s", text + n - SHORT_LETTERS);
        return ret;
}

const char *people_age(uint64_t ms, char ret[PEOPLE_AGE_SIZE]) {
        static const struct {
                uint64_t from, unit; /* ms */
                const char *name;
        } units[] = {
                { 48 * 3600000, 24 * 3600000, "d" },
                { 2 * 3600000, 3600000, "h" },
                { 2 * 60000, 60000, "min" },
                { 1000, 1000, "s" },
                { 0, 1, "ms" },
        };
        size_t i = 0;

        while (ms < units[i].from)
                i++;
        (void) snprintf(ret, PEOPLE_AGE_SIZE, "%" PRIu64 "%s",
                        (ms + units[i].unit / 2) / units[i].unit, units[i].name);
        return ret;
}

const char *people_address(ProtobufCBinaryData address, char ret[MULTIADDR_TEXT_SIZE]) {
        struct multiaddr a;

        if (multiaddr_parse(people_bytes(address), &a))
                return strcpy(ret, "?");
        return multiaddr_text(&a, ret);
}

bool people_refuse_at(const struct command_context *ctx, const char *verb, const char *text) {
        struct peer_id peer;

        if (*text != '@' || !peer_id_from_text(BYTES_STR(text + 1), &peer))
                return false;
        (void) complain(ctx, EXIT_USAGE, "%s: @PEER is said in the shell alone; here give %s", verb,
                        text + 1);
        return true;
}

bool people_peer_operand(const struct command_context *ctx, const char *verb, const char *text,
                         struct peer_id *ret) {
        if (peer_id_from_text(BYTES_STR(text), ret))
                return true;
        if (people_refuse_at(ctx, verb, text))
                return false;
        (void) complain(ctx, EXIT_USAGE,
                        "%s: '%s' is no peer id; give one whole (12D3KooW…; `quorate peers -v` "
                        "lists them)",
                        verb, text);
        return false;
}

void people_json_peer(const char *name, ProtobufCBinaryData peer, bool *first) {
        char id[PEER_ID_TEXT_SIZE];

        json_member_string(stdout, name, peer.len > 0 ? people_peer(peer, id) : "", first);
}

void people_json_texts(const char *name, char *const *texts, size_t n, bool *first) {
        json_key(stdout, name, first);
        fputc('[', stdout);
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        fputc(',', stdout);
                json_string(stdout, texts[i]);
        }
        fputc(']', stdout);
}

void people_json_cost(FILE *f, const char *name, const struct quorate_cost *c, bool *first) {
        bool inner = true;

        json_key(f, name, first);
        if (!*c->source) {
                fputs("null", f);
                return;
        }
        fputc('{', f);
        json_member_u64(f, "rows", c->rows, &inner);
        json_member_u64(f, "bytes", c->bytes, &inner);
        json_member_ms(f, "cpu_ms", c->cpu_us, &inner);
        json_member_u64(f, "memory", c->memory, &inner);
        json_member_string(f, "source", c->source, &inner);
        if (c->runs > 0) {
                json_key(f, "runs", &inner);
                fprintf(f, "%.2f", c->runs);
        }
        fputc('}', f);
}

void people_json_addresses(const char *name, const ProtobufCBinaryData *list, size_t n,
                           bool *first) {
        char text[MULTIADDR_TEXT_SIZE];

        json_key(stdout, name, first);
        fputc('[', stdout);
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        fputc(',', stdout);
                json_string(stdout, people_address(list[i], text));
        }
        fputc(']', stdout);
}

static bool is_text(struct bytes v) {
        if (!utf8_is_valid(v))
                return false;
        for (size_t i = 0; i < v.len; i++)
                if ((v.data[i] < 0x20 && v.data[i] != '\n' && v.data[i] != '\t') ||
                    v.data[i] == 0x7f)
                        return false;
        return true;
}

void people_json_bytes(const char *name, struct bytes v, bool *first) {
        json_key(stdout, name, first);
        if (is_text(v)) {
                json_text(stdout, v);
                return;
        }
        fputs("\"hex:", stdout);
        for (size_t i = 0; i < v.len; i++)
                printf("%02x", v.data[i]);
        fputc('"', stdout);
}

const char *people_text(struct bytes v, char *ret, size_t size) {
        size_t n = v.len, at;

        if (is_text(v))
                return text_escape(v, ret, size);
        at = (size_t) snprintf(ret, size, "hex:");
        while (at + 2 * n + 4 >= size)
                n--;
        hex_encode(BYTES(v.data, n), ret + at);
        if (n < v.len)
                (void) strcat(ret, "…");
        return ret;
}

void people_print(struct bytes v) {
        char line[1024];

        if (!is_text(v)) {
                printf("  %s\n", people_text(v, line, sizeof(line)));
                return;
        }
        while (v.len > 0) {
                const uint8_t *end = memchr(v.data, '\n', v.len);
                size_t n = end ? (size_t) (end - v.data) : v.len;

                printf("  %s\n", text_escape(BYTES(v.data, n), line, sizeof(line)));
                n += end != NULL;
                v = BYTES(v.data + n, v.len - n);
        }
}

int people_done(const struct command_context *ctx, int code, const char *format, ...) {
        va_list args;

        if (code != EXIT_OK)
                return code;
        if (ctx->common.json) {
                puts("{\"ok\":true}");
                return code;
        }
        va_start(args, format);
        (void) vprintf(format, args);
        va_end(args);
        putchar('\n');
        return code;
}

void people_more(const struct command_context *ctx, uint64_t shown, uint64_t more, uint64_t most) {
        if (more == 0)
                return;
        if (ctx->common.json)
                printf("{\"more\":%lu}\n", (unsigned long) more);
        else if (shown >= most)
                printf("… %lu more, older than these: at most %lu are listed\n",
                       (unsigned long) more, (unsigned long) most);
        else
                printf("… %lu more: --limit %lu lists %s\n", (unsigned long) more,
                       (unsigned long) (shown + more < most ? shown + more : most),
                       shown + more > most ? "some of them" : "them");
}
