#include "services/dht/mailbox.h"
#include "services/dht/quota.h"
#include "services/dht/store_memory.h"
#include "tests/unit/dht/records.h"
#include "tests/unit/dht/vectors/vectors.h"

struct bench {
        struct rules *rules;
        struct quota *quota;
        struct store store;
        struct buffer name, value;
};

static int setup(void **state) {
        const struct rules_config config = { .network = "default", .mailbox_bits = 12 };
        struct bench *b = xnew(struct bench);
        struct quota_config quota;
        struct key self = key_of(BYTES_LIT("this node"));

        quota_config_default(&quota);
        b->rules = rules_new(&config);
        b->quota = quota_new(&quota, &self, 7);
        b->store = store_memory_new(&store_limits_default, 1);
        buffer_init(&b->name, RECORD_NAME_MAX);
        buffer_init(&b->value, MAILBOX_LETTER_MAX);
        *state = b;
        return 0;
}

static int teardown(void **state) {
        struct bench *b = *state;

        rules_free(b->rules);
        quota_free(b->quota);
        store_memory_free(&b->store);
        buffer_done(&b->name);
        buffer_done(&b->value);
        free(b);
        return 0;
}

static const char *validate_at(struct bench *b, int64_t now, struct stored_record *ret) {
        return rules_validate(b->rules, buffer_bytes(&b->name), buffer_bytes(&b->value), now, ret);
}

static void vectors_are_valid(void **state) {
        struct bench *b = *state;
        struct stored_record r;
        uint8_t slot[32];

        FOREACH_CASE (c, record_vectors) {
                const char *wrong;

                (void) unhex(&b->name, c->name);
                (void) unhex(&b->value, c->value);
                wrong = validate_at(b, NOW, &r);
                if (wrong)
                        fail_msg("%s", wrong);
                assert_true(hex_decode(c->slot, slot, sizeof(slot)));
                assert_memory_equal(r.slot, slot, sizeof(slot));
                assert_int_equal(r.expires_us, c->expires_us);
                /* what no date of its own ends */
                if (r.kind < RECORD_PUBLIC_KEY)
                        assert_non_null(validate_at(b, c->expires_us, &r));
                b->value.data[b->value.len - 1] ^= 1;
                assert_non_null(validate_at(b, NOW, &r));
        }
}

static void refused(struct bench *b, const struct person *p, const struct record_statement *s,
                    const char *why) {
        struct stored_record r;

        (void) sign_record(&b->value, p, s);
        assert_string_equal(validate_at(b, NOW, &r), why);
}

static void who_may_write_what(void **state) {
        struct bench *b = *state;
        struct person owner = person_no(1), other = person_no(2);
        struct record_statement s = statement_by(&owner, RECORD_NAME, BYTES_LIT("sales"),
                                                 BYTES_LIT("0123456789abcdef0123456789abcdef"));
        struct stored_record r;

        (void) name_for(&b->name, RECORD_NAME, &owner.peer, BYTES_LIT("sales"));
        (void) sign_record(&b->value, &owner, &s);
        assert_null(validate_at(b, NOW, &r));

        s.publisher = other.peer;
        refused(b, &other, &s, "its publisher may not write under this name");
        s.publisher = owner.peer;
        refused(b, &other, &s, "the signature is not its publisher's");
        s.label = BYTES_LIT("other");
        refused(b, &owner, &s, "a record of another name");
        s.label = BYTES_LIT("sales");
        s.network = BYTES_LIT("elsewhere");
        refused(b, &owner, &s, "a record of another network");
        s.network = BYTES_LIT("default");
        s.kind = RECORD_TOPIC;
        refused(b, &owner, &s, "another kind of record than its name says");
        s.kind = RECORD_NAME;
        s.payload.len = 31;
        refused(b, &owner, &s, "a payload of this length is not for this kind");
}

static void times(void **state) {
        struct bench *b = *state;
        struct person p = person_no(1);
        struct record_statement s =
                statement_by(&p, RECORD_TOPIC, BYTES_LIT("chess"), BYTES_LIT("here"));
        struct stored_record r;

        (void) name_for(&b->name, RECORD_TOPIC, NULL, BYTES_LIT("chess"));
        s.created_us = NOW + RULES_SKEW_US;
        (void) sign_record(&b->value, &p, &s);
        assert_null(validate_at(b, NOW, &r));
        assert_int_equal(r.expires_us, NOW + 24 * HOUR); /* its own date does not prolong it */
        s.created_us++;
        refused(b, &p, &s, "it is dated in the future");
        s.created_us = NOW;
        s.ttl_s = 24 * 3600 + 1;
        refused(b, &p, &s, "it would live longer than its kind may");
        s.created_us = NOW - 24 * HOUR;
        s.ttl_s = 24 * 3600;
        refused(b, &p, &s, "it has expired");
}

/* A3: a TTL of 2^32 - 1 cannot be written by our encoder; by hand it is refused. */
static void ttl_of_136_years(void **state) {
        struct bench *b = *state;
        struct person p = person_no(1);
        struct record_statement s =
                statement_by(&p, RECORD_TOPIC, BYTES_LIT("chess"), BYTES_LIT("here"));
        struct signature signature;
        struct stored_record r;
        size_t at;

        (void) name_for(&b->name, RECORD_TOPIC, NULL, BYTES_LIT("chess"));
        (void) sign_record(&b->value, &p, &s);
        b->value.len -= SIGNATURE_SIZE;
        at = b->value.len - 1 - s.payload.len - 4;
        memset(b->value.data + at, 0xff, 4);
        signature = sign_make(&p.secret, buffer_bytes(&b->value));
        buffer_put_bytes(&b->value, signature_bytes(&signature));
        assert_string_equal(validate_at(b, NOW, &r), "not a signed record");
}

static void the_better_of_two(void **state) {
        CLEANUP(buffer_donep) struct buffer x = {}, y = {};
        struct person p = person_no(1);
        struct record_statement s =
                statement_by(&p, RECORD_TOPIC, BYTES_LIT("chess"), BYTES_LIT("a"));
        struct bytes none = BYTES_NONE, a, b;

        buffer_init(&x, RECORD_BYTES_MAX);
        buffer_init(&y, RECORD_BYTES_MAX);
        a = sign_record(&x, &p, &s);
        assert_int_equal(rules_select(none, a, a), 0);
        s.payload = BYTES_LIT("b");
        b = sign_record(&y, &p, &s); /* two of one moment: everybody takes the same */
        assert_true(rules_select(none, a, b) * rules_select(none, b, a) < 0);
        s.created_us++;
        b = sign_record(&y, &p, &s);
        assert_true(rules_select(none, a, b) > 0);
        s.sequence = 0; /* the number counts before the date */
        b = sign_record(&y, &p, &s);
        assert_true(rules_select(none, a, b) < 0);
        assert_true(rules_select(none, b, a) > 0);
}

/* A9: what is read or handed on again is not verified again. */
static void verdicts_are_remembered(void **state) {
        struct bench *b = *state;
        struct stored_record r;

        (void) unhex(&b->name, record_vectors[0].name);
        (void) unhex(&b->value, record_vectors[0].value);
        for (int i = 0; i < 1000; i++)
                assert_null(validate_at(b, NOW, &r));
        assert_int_equal(rules_stats(b->rules)->verified, 1);
        assert_int_equal(rules_stats(b->rules)->verdicts_cached, 999);
        b->value.data[b->value.len - 1] ^= 1; /* a bad one is looked at each time */
        assert_non_null(validate_at(b, NOW, &r));
        assert_non_null(validate_at(b, NOW, &r));
        assert_int_equal(rules_stats(b->rules)->verified, 3);
}

/* ---- quotas ---- */

static struct stored_record stored(uint32_t n, enum record_kind kind, uint32_t publisher,
                                   uint8_t net) {
        uint8_t name[4];
        struct stored_record r = { .kind = (uint8_t) kind,
                                   .name = BYTES_LIT("name"),
                                   .value = BYTES_LIT("value"),
                                   .subnet = { net ? ENDPOINT_IP4 : 0, { 1, 2, net } },
                                   .expires_us = NOW };

        store_be32(name, n);
        r.key = key_of(BYTES_OF(name));
        store_be32(r.publisher, publisher);
        return r;
}

static const char *admit(struct bench *b, const struct stored_record *r) {
        const char *wrong = quota_admit(b->quota, &b->store, r);

        if (!wrong)
                assert_int_equal(b->store.ops->put(b->store.self, r), STORE_OK);
        return wrong;
}

static void a_publisher_has_a_share(void **state) {
        struct bench *b = *state;
        uint32_t max = record_rule_of(RECORD_NAME)->per_publisher;
        struct stored_record r;

        for (uint32_t i = 0; i < max; i++) {
                r = stored(i, RECORD_NAME, 1, 0);
                assert_null(admit(b, &r));
        }
        assert_null(admit(b, &r)); /* to replace is no more */
        r = stored(max, RECORD_NAME, 1, 0);
        assert_string_equal(admit(b, &r), "that publisher has enough records here");
        r = stored(max, RECORD_ENDPOINT, 1, 0); /* names do not crowd out the endpoint */
        assert_null(admit(b, &r));
        r = stored(max, RECORD_NAME, 2, 0);
        assert_null(admit(b, &r));
}

/* A3: one host, 10^5 stores: what is kept stays flat, and others still get in. */
static void one_host_floods(void **state) {
        struct bench *b = *state;
        struct stored_record r;
        struct store_counts counts;

        for (uint32_t i = 0; i < 100000; i++) {
                r = stored(i, RECORD_ENDPOINT, i + 1, 9);
                (void) admit(b, &r);
        }
        b->store.ops->counts(b->store.self, &counts);
        assert_int_equal(counts.records, 1024);
        assert_int_equal(quota_stats(b->quota)->refused_subnet, 100000 - 1024);
        r = stored(1 << 20, RECORD_ENDPOINT, 1 << 20, 10);
        assert_null(admit(b, &r));
}

/* Who has a /32 has 65,536 /48s. */
static void one_v6_network_floods(void **state) {
        struct bench *b = *state;
        struct store_counts counts;
        struct stored_record r;

        for (uint32_t i = 0; i < 20 * 600; i++) {
                r = stored(i, RECORD_ENDPOINT, i + 1, 0);
                r.subnet = (struct subnet){ ENDPOINT_IP6,
                                            { 0x20, 1, 4, 0x70, 0, (uint8_t) (i % 20) } };
                (void) admit(b, &r);
        }
        b->store.ops->counts(b->store.self, &counts);
        assert_int_equal(counts.records, 8192);
        assert_int_equal(quota_stats(b->quota)->refused_subnet, 20 * 600 - 8192);
        r = stored(1 << 20, RECORD_ENDPOINT, 1 << 20, 0);
        r.subnet = (struct subnet){ ENDPOINT_IP6, { 0x20, 1, 4, 0x71 } };
        assert_null(admit(b, &r));
}

static void far_keys_are_not_ours(void **state) {
        struct bench *b = *state;
        size_t n = 0;

        quota_region(b->quota, 1.0 / 64); /* times 4: one in 16 */
        for (uint32_t i = 0; i < 1000; i++) {
                struct stored_record r = stored(i, RECORD_ENDPOINT, i + 1, 0);

                n += !admit(b, &r);
        }
        assert_in_range(n, 1000 / 32, 1000 / 8);
        assert_int_equal(quota_stats(b->quota)->refused_region, 1000 - n);
}

static bool sum_distance(void *userdata, const struct stored_record *r) {
        struct key self = key_of(BYTES_LIT("this node"));

        *(double *) userdata += key_distance(&self, &r->key);
        return true;
}

/* A full store keeps what is near, and what is its own. */
static void full_means_near(void **state) {
        struct bench *b = *state;
        const struct store_limits limits = { .records = 200, .bytes = 1 << 20, .providers = 1 };
        struct key self = key_of(BYTES_LIT("this node"));
        struct quota_config config;
        struct store_counts counts;
        struct stored_record own = stored(1 << 20, RECORD_NAME, 0, 0), r;
        double sum = 0;

        quota_config_default(&config);
        config.records_max = limits.records;
        quota_free(b->quota);
        b->quota = quota_new(&config, &self, 7);
        store_memory_free(&b->store);
        b->store = store_memory_new(&limits, 1);
        own.class = STORE_OWN;
        for (size_t i = 0; i < KEY_SIZE; i++)
                own.key.bytes[i] = (uint8_t) ~self.bytes[i]; /* the farthest there is */
        assert_null(admit(b, &own));
        for (uint32_t i = 0; i < 4000; i++) {
                r = stored(i, RECORD_ENDPOINT, 0, 0);
                (void) admit(b, &r);
        }
        b->store.ops->counts(b->store.self, &counts);
        assert_int_equal(counts.records, 200);
        assert_int_equal(b->store.ops->count_key(b->store.self, &own.key), 1);
        (void) b->store.ops->walk(b->store.self, NULL, 1000, sum_distance, &sum);
        sum -= 1;                      /* the own one */
        assert_true(sum / 199 < 0.03); /* the nearest 199 of 4,000: 0.025 on average */
}

/* The same by what many identities of one subnet say they provide, each but a little. */
static void one_subnet_provides_too_much(void **state) {
        struct bench *b = *state;
        struct stored_provider p = { .name = BYTES_LIT("hash"),
                                     .subnet = stored(0, RECORD_NAME, 0, 9).subnet,
                                     .expires_us = NOW };
        struct stored_record r = stored(0, RECORD_ENDPOINT, 1, 9);
        const char *wrong = NULL;
        uint32_t n = 0;

        for (; !wrong && n < 2000; n++) {
                struct sign_public k = { .bytes = { (uint8_t) n, (uint8_t) (n >> 8) } };
                struct peer_id peer = peer_id_from_ed25519(&k);

                contact_init(&p.contact, &peer, NULL, 0);
                p.key = stored(n / 4, RECORD_NAME, 0, 0).key;
                wrong = quota_admit_provider(b->quota, &b->store, &p);
                if (!wrong)
                        assert_int_equal(b->store.ops->provider_put(b->store.self, &p), STORE_OK);
        }
        assert_int_equal(n, 1025);
        assert_string_equal(wrong, "its subnet has enough records here");
        assert_string_equal(admit(b, &r), wrong);
        p.subnet = stored(0, RECORD_NAME, 0, 10).subnet;
        assert_null(quota_admit_provider(b->quota, &b->store, &p));
}

static void a_provider_has_a_share(void **state) {
        struct bench *b = *state;
        struct sign_public k = { .bytes = { 1 } };
        struct peer_id peer = peer_id_from_ed25519(&k);
        struct stored_provider p = { .name = BYTES_LIT("hash"), .expires_us = NOW };
        const char *wrong = NULL;
        uint32_t n = 0;

        contact_init(&p.contact, &peer, NULL, 0);
        for (; !wrong && n < 5000; n++) {
                p.key = stored(n, RECORD_NAME, 0, 0).key;
                wrong = quota_admit_provider(b->quota, &b->store, &p);
                if (!wrong)
                        assert_int_equal(b->store.ops->provider_put(b->store.self, &p), STORE_OK);
        }
        assert_int_equal(n, 4097);
        assert_string_equal(wrong, "that provider has enough keys here");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

TEST_MAIN(TEST(vectors_are_valid), TEST(who_may_write_what), TEST(times), TEST(ttl_of_136_years),
          TEST(the_better_of_two), TEST(verdicts_are_remembered), TEST(a_publisher_has_a_share),
          TEST(one_host_floods), TEST(one_v6_network_floods), TEST(far_keys_are_not_ours),
          TEST(full_means_near), TEST(one_subnet_provides_too_much), TEST(a_provider_has_a_share))
