#include "services/dht/inherit.h"

#include "common/canonical/keychange.h"
#include "common/wire/unpack.h"
#include "proto/keyring.pb-c.h"
#include "services/dht/store_memory.h"
#include "tests/unit/dht/records.h"

/* One node, alone, on the disk of an earlier key. */
struct bench {
        struct person old, new;
        struct store store;
        struct dht *dht;
        struct keeper *keeper;
        nsec_t now;
        struct buffer name, value;
};

static int setup(void **state) {
        struct bench *b = xnew(struct bench);
        struct dht_config config;
        struct keeper_config keeper;

        b->old = person_no(1);
        b->new = person_no(2);
        b->now = NSEC_PER_SEC;
        b->store = store_memory_new(&store_limits_default, 1);
        dht_config_default(&config);
        keeper_config_default(&keeper);
        b->dht = dht_new(&config, &b->new.peer, &b->store, 7);
        b->keeper = keeper_new(&keeper, b->dht, &b->new.peer, 8);
        dht_clock(b->dht, b->now, NOW);
        buffer_init(&b->name, RECORD_NAME_MAX);
        buffer_init(&b->value, RECORD_BYTES_MAX);
        *state = b;
        return 0;
}

static int teardown(void **state) {
        struct bench *b = *state;

        dht_free(b->dht);
        keeper_free(b->keeper);
        store_memory_free(&b->store);
        buffer_done(&b->name);
        buffer_done(&b->value);
        free(b);
        return 0;
}

static void sign(struct bench *b, uint64_t id, struct bytes request) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Keyring__SignRecordRequest *in;
        struct record_statement s;
        struct signature signature;

        assert_int_equal(wire_unpack(&keyring__sign_record_request__descriptor, request, NULL, &u),
                         UNPACK_OK);
        in = u.message;
        s = (struct record_statement){ .kind = in->kind,
                                       .network = BYTES_STR(in->network),
                                       .label = BYTES(in->label.data, in->label.len),
                                       .publisher = b->new.peer,
                                       .sequence = in->sequence,
                                       .created_us = in->created_us,
                                       .ttl_s = in->ttl_s,
                                       .payload = BYTES(in->payload.data, in->payload.len) };
        buffer_clear(&b->value);
        assert_int_equal(record_encode(&s, &b->value), RECORD_OK);
        signature = sign_make(&b->new.secret, buffer_bytes(&b->value));
        dht_signed(b->dht, id, buffer_bytes(&b->value), signature_bytes(&signature), b->now);
}

static void drain(struct bench *b) {
        for (unsigned i = 0; i < 50; i++) {
                struct dht_action a;

                while (dht_output(b->dht, &a)) {
                        if (a.type == DHT_SIGN)
                                sign(b, a.id, refbuf_bytes(a.data));
                        dht_action_done(&a);
                }
                b->now = nsec_add(b->now, NSEC_PER_SEC);
                dht_expire(b->dht, b->now);
        }
}

static void keep(struct bench *b, enum record_kind kind, const char *label, const char *payload) {
        struct record_statement s =
                statement_by(&b->old, kind, BYTES_STR(label), BYTES_STR(payload));
        struct stored_record r;
        struct bytes name = name_for(&b->name, kind, &b->old.peer, BYTES_STR(label));

        (void) sign_record(&b->value, &b->old, &s);
        assert_null(
                rules_validate(keeper_rules(b->keeper), name, buffer_bytes(&b->value), NOW, &r));
        r.class = STORE_OWN;
        assert_int_equal(b->store.ops->put(b->store.self, &r), STORE_OK);
}

static void end_any(void *userdata, const struct keeper_result *r, nsec_t now) {
        *(enum keeper_code *) userdata = r->code;
}

static enum keeper_code rotate(struct bench *b, const struct person *to) {
        struct keychange c = { KEYCHANGE_ROTATION, b->old.peer, to->peer, NOW };
        CLEANUP(buffer_donep) struct buffer v = {};
        enum keeper_code code = KEEPER_E_BUSY;
        struct signature a, z;

        buffer_init(&v, KEYCHANGE_BYTES_MAX);
        assert_int_equal(keychange_encode(&c, &v), KEYCHANGE_OK);
        a = sign_make(&b->old.secret, buffer_bytes(&v));
        z = sign_make(&to->secret, buffer_bytes(&v));
        buffer_put_bytes(&v, signature_bytes(&a));
        buffer_put_bytes(&v, signature_bytes(&z));
        keeper_publish(b->keeper, buffer_bytes(&v),
                       &(struct keeper_call){ .done = end_any, .userdata = &code }, b->now);
        drain(b);
        return code;
}

struct count {
        const struct bench *bench;
        size_t old, new, others;
        bool has_sales;
};

static bool count_one(void *userdata, const struct stored_record *r) {
        struct count *c = userdata;
        struct record_parts parts;

        if (record_split(r->value, &parts) != RECORD_OK)
                c->others++;
        else if (peer_id_equal(&parts.fields.publisher, &c->bench->old.peer))
                c->old++;
        else
                c->new ++;
        c->has_sales |= record_split(r->value, &parts) == RECORD_OK &&
                        bytes_equal(parts.fields.label, BYTES_LIT("sales")) &&
                        parts.fields.payload.len == 32;
        return true;
}

static struct count count(const struct bench *b) {
        struct count c = { .bench = b };

        (void) b->store.ops->own(b->store.self, count_one, &c);
        return c;
}

static void goes_on_under_the_new_key(void **state) {
        struct bench *b = *state;
        struct inherited i;
        struct count c;

        keep(b, RECORD_NAME, "sales", "0123456789abcdef0123456789abcdef");
        keep(b, RECORD_TOPIC, "chess", "here");
        assert_int_equal(rotate(b, &b->new), KEEPER_E_NOBODY); /* kept all the same */
        keeper_inherit(b->keeper, &i, b->now);
        assert_int_equal(i.n_carried, 2);
        assert_int_equal(i.n_dropped, 0);
        assert_true(i.is_predecessor && peer_id_equal(&i.from, &b->old.peer));
        assert_int_equal(count(b).old, 2); /* until the new ones are kept */
        drain(b);
        c = count(b);
        assert_int_equal(c.old, 0);
        assert_int_equal(c.new, 2);
        assert_int_equal(c.others, 1); /* the rotation */
        assert_true(c.has_sales);
        keeper_inherit(b->keeper, &i, b->now);
        assert_int_equal(i.n_carried + i.n_dropped, 0);
}

/* Another node on this disk, or one that rotated to somebody else. */
static void strangers_records_end(void **state) {
        struct bench *b = *state;
        struct person other = person_no(3);
        struct inherited i;

        keep(b, RECORD_NAME, "sales", "0123456789abcdef0123456789abcdef");
        keep(b, RECORD_TOPIC, "chess", "here");
        (void) rotate(b, &other);
        keeper_inherit(b->keeper, &i, b->now);
        assert_int_equal(i.n_dropped, 2);
        assert_false(i.is_predecessor);
        drain(b);
        assert_int_equal(count(b).old + count(b).new, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

TEST_MAIN(TEST(goes_on_under_the_new_key), TEST(strangers_records_end))
