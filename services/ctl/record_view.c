#include "services/ctl/record_view.h"

#include <inttypes.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/record.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

#define NAME_MAX_BYTES 256
#define PK             "/pk/"

bool record_view_name(const char *text, struct buffer *ret) {
        uint8_t bytes[NAME_MAX_BYTES];
        size_t n = strlen(text);
        struct peer_id id;

        if (strncmp(text, "hex:", 4) == 0) {
                n = (n - 4) / 2;
                if (n == 0 || n > sizeof(bytes) || strlen(text) != 4 + 2 * n ||
                    !hex_decode(text + 4, bytes, n))
                        return false;
                buffer_put(ret, bytes, n);
                return true;
        }
        if (strncmp(text, PK, strlen(PK)) == 0 &&
            peer_id_from_text(BYTES_STR(text + strlen(PK)), &id)) {
                buffer_put_bytes(ret, BYTES_STR(PK));
                buffer_put_bytes(ret, peer_id_bytes(&id));
                return true;
        }
        if (text[0] != '/' || n > NAME_MAX_BYTES || !strchr(text + 1, '/'))
                return false;
        buffer_put(ret, text, n);
        return true;
}

const char *record_view_name_text(struct bytes name, char ret[RECORD_VIEW_NAME_SIZE]) {
        const size_t n = strlen(PK);
        struct peer_id id;

        if (name.len > n && memcmp(name.data, PK, n) == 0 &&
            peer_id_parse(BYTES(name.data + n, name.len - n), &id)) {
                (void) strcpy(ret, PK);
                (void) peer_id_text(&id, ret + n);
                return ret;
        }
        return people_text(name, ret, RECORD_VIEW_NAME_SIZE);
}

/* ---- payloads that have a form ---- */

static bool profile_of(const Dht__Record *r, struct profile_payload *ret) {
        return strcmp(r->kind, "profile") == 0 &&
               profile_payload_read(people_bytes(r->payload), ret);
}

static size_t addresses_of(const Dht__Record *r, struct multiaddr ret[RECORD_ADDRESSES_MAX]) {
        size_t n = 0;

        if (strcmp(r->kind, "endpoint") != 0 ||
            !endpoint_payload_read(people_bytes(r->payload), ret, &n))
                return 0;
        return n;
}

static void payload_json(const Dht__Record *r, bool *first) {
        struct multiaddr addresses[RECORD_ADDRESSES_MAX];
        size_t n = addresses_of(r, addresses);
        char text[MULTIADDR_TEXT_SIZE];
        struct profile_payload profile;

        if (profile_of(r, &profile)) {
                json_key(stdout, "display_name", first);
                json_text(stdout, profile.name);
                json_key(stdout, "x25519", first);
                json_hex(stdout, profile.x25519, X25519_SIZE);
        }
        for (size_t i = 0; i < n; i++) {
                if (i == 0)
                        json_key(stdout, "addresses", first);
                fputc(i ? ',' : '[', stdout);
                json_string(stdout, multiaddr_text(&addresses[i], text));
        }
        if (n > 0)
                fputc(']', stdout);
        people_json_bytes("payload", people_bytes(r->payload), first);
}

void record_view_json(const Dht__Record *r) {
        char name[RECORD_VIEW_NAME_SIZE];
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "name", record_view_name_text(people_bytes(r->name), name),
                           &first);
        json_member_string(stdout, "kind", r->kind, &first);
        people_json_peer("publisher", r->publisher, &first);
        json_member_u64(stdout, "sequence", r->sequence, &first);
        json_member_u64(stdout, "age_ms", r->age_ms, &first);
        json_member_u64(stdout, "expires_ms", r->expires_ms, &first);
        json_member_u64(stdout, "copies", r->copies, &first);
        json_member_bool(stdout, "own", r->own, &first);
        payload_json(r, &first);
        fputs("}\n", stdout);
}

static void payload_text(const Dht__Record *r) {
        struct multiaddr addresses[RECORD_ADDRESSES_MAX];
        size_t n = addresses_of(r, addresses);
        char text[MULTIADDR_TEXT_SIZE];
        struct profile_payload profile;

        for (size_t i = 0; i < n; i++)
                printf("address    %s\n", multiaddr_text(&addresses[i], text));
        if (profile_of(r, &profile)) {
                hex_encode(BYTES(profile.x25519, X25519_SIZE), text);
                printf("x25519     %s\n", text);
                if (profile.name.len > 0)
                        printf("calls itself '%s'\n",
                               text_escape(profile.name, text, sizeof(text)));
                else
                        puts("calls itself nothing: its owner gives it a name with `quorate record "
                             "put profile --file FILE`");
        } else if (n == 0) {
                printf("payload    %zu bytes\n", r->payload.len);
                people_print(people_bytes(r->payload));
        }
}

void record_view_text(const Dht__Record *r, uint32_t asked) {
        char name[RECORD_VIEW_NAME_SIZE], kind[32], id[PEER_ID_TEXT_SIZE], age[PEOPLE_AGE_SIZE];

        printf("name       %s\n", record_view_name_text(people_bytes(r->name), name));
        printf("kind       %s\n", text_escape(BYTES_STR(r->kind), kind, sizeof(kind)));
        printf("publisher  %s\n", r->publisher.len > 0 ? people_peer(r->publisher, id) : "-");
        printf("sequence   %" PRIu64, r->sequence);
        if (r->expires_ms > 0) { /* a lookup need not know */
                printf(", %s old", people_age(r->age_ms, age));
                printf(", expires in %s", people_age(r->expires_ms, age));
        }
        putchar('\n');
        if (asked > 0)
                printf("copies     %u, of %u peers asked\n", r->copies, asked);
        payload_text(r);
}

const struct table_column record_view_columns[] = {
        { "KIND" },
        { "PUBLISHER" },
        { "AGE", .right = true },
        { "EXPIRES", .right = true },
        { "BYTES", .right = true },
        { "NAME" }, /* last and whole: as `record get` takes it */
        {},
};

void record_view_cells(const struct command_context *ctx, struct table *t, const Dht__Record *r) {
        char name[RECORD_VIEW_NAME_SIZE], id[PEER_ID_TEXT_SIZE], age[PEOPLE_AGE_SIZE];
        char shown[PEOPLE_SHORT_SIZE];

        table_foreign(t, r->kind);
        table_cell(t, "%s",
                   r->own                ? "this node"
                   : !r->publisher.len   ? "-"
                   : ctx->common.verbose ? people_peer(r->publisher, id)
                                         : people_short(r->publisher, shown));
        table_cell(t, "%s", people_age(r->age_ms, age));
        table_cell(t, "%s", people_age(r->expires_ms, age));
        table_cell(t, "%zu", r->value.len > 0 ? r->value.len : r->payload.len);
        table_cell(t, "%s", record_view_name_text(people_bytes(r->name), name));
}
