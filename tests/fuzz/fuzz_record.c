/* What a peer can call a record: one byte n, n bytes of name, the value. */

#include "common/base/error.h"
#include "services/dht/mailbox.h"
#include "services/dht/rules.h"

#define NOW INT64_C(1800000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rules *the_rules(void) {
        static const struct rules_config config = { .network = "default", .mailbox_bits = 4 };
        static struct rules *r;

        if (!r)
                r = rules_new(&config);
        return r;
}

/* Whatever is read is written again as the same bytes. */
static void try_name(struct bytes name) {
        uint8_t room[RECORD_NAME_MAX];
        struct buffer b = buffer_over(room, sizeof(room));
        struct record_name n;

        if (!record_name_read(name, &n))
                return;
        check(record_name_put(&b, n.rule->kind, &n.peer, n.label));
        check(bytes_equal(buffer_bytes(&b), name));
}

static void try_record(struct bytes value) {
        static uint8_t room[RECORD_BYTES_MAX];
        struct buffer b = buffer_over(room, sizeof(room));
        struct record_parts parts;

        if (record_split(value, &parts) != RECORD_OK)
                return;
        check(record_encode(&parts.fields, &b) == RECORD_OK);
        check(bytes_equal(buffer_bytes(&b), parts.statement));
}

static void try_letter(struct bytes value) {
        static uint8_t room[MAILBOX_LETTER_MAX];
        struct buffer b = buffer_over(room, sizeof(room));
        struct letter l;

        if (!letter_read(value, &l))
                return;
        letter_put(&b, &l);
        check(bytes_equal(buffer_bytes(&b), value));
        (void) letter_check(&l, 4, NOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t n = size ? data[0] : 0;
        struct stored_record r;
        struct bytes name, value;

        if (size == 0 || n + 1 > size)
                return 0;
        name = BYTES(data + 1, n);
        value = BYTES(data + 1 + n, size - 1 - n);
        try_name(name);
        try_record(value);
        try_letter(value);
        if (!rules_validate(the_rules(), name, value, NOW, &r)) {
                check(r.expires_us > NOW && r.expires_us <= NOW + INT64_C(49) * 3600 * 1000000);
                check(record_rule_of(r.kind) != NULL);
                check(rules_select(name, value, value) == 0);
        }
        return 0;
}
