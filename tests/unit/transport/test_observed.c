#include "services/transport/observed.h"
#include "tests/support/test.h"

#define MINUTE (60 * NSEC_PER_SEC)

static struct peer_id peer_number(uint8_t n) {
        struct sign_public key = { .bytes = { n } };

        return peer_id_from_ed25519(&key);
}

static struct endpoint at(const char *text) {
        struct endpoint e;

        assert_true(endpoint_from_text(text, &e));
        return e;
}

static bool report(struct observed *o, const char *seen, uint8_t peer, const char *from,
                   nsec_t now) {
        const struct endpoint s = at(seen), f = at(from);
        const struct peer_id by = peer_number(peer);

        return observed_report(o, &s, &by, &f, now);
}

static size_t n_believed(const struct observed *o) {
        struct observed_address a;
        size_t n = 0;

        for (size_t i = 0; observed_address(o, i, &a); i++)
                n += a.is_believed;
        return n;
}

/* One line each: who saw us where, and what is believed then. */
static const struct {
        const char *name, *seen[2], *from[2];
        uint8_t by[2];
        size_t want;
} cases[] = {
        { "two networks",
          { "8.8.8.8:4001", "8.8.8.8:4001" },
          { "9.1.1.1:1", "9.1.2.1:1" },
          { 1, 2 },
          1 },
        { "one network",
          { "8.8.8.8:4001", "8.8.8.8:4001" },
          { "9.1.1.1:1", "9.1.1.2:1" },
          { 1, 2 },
          0 },
        { "one peer from two networks",
          { "8.8.8.8:4001", "8.8.8.8:4001" },
          { "9.1.1.1:1", "9.1.2.1:1" },
          { 1, 1 },
          0 },
        { "two ports",
          { "8.8.8.8:4001", "8.8.8.8:4002" },
          { "9.1.1.1:1", "9.1.2.1:1" },
          { 1, 2 },
          0 },
        { "IPv6, two networks",
          { "[2001:41d0::1]:4001", "[2001:41d0::1]:4001" },
          { "[2a00:1:1::1]:1", "[2a00:1:2::1]:1" },
          { 1, 2 },
          1 },
        { "IPv6, one network",
          { "[2001:41d0::1]:4001", "[2001:41d0::1]:4001" },
          { "[2a00:1:1:1::1]:1", "[2a00:1:1:2::1]:1" },
          { 1, 2 },
          0 },
        { "private, one is enough",
          { "10.0.0.9:4001", "10.0.0.9:4001" },
          { "10.0.0.1:1", "10.0.0.1:1" },
          { 1, 1 },
          1 },
        { "loopback",
          { "127.0.0.1:4001", "127.0.0.1:4001" },
          { "127.0.0.1:1", "127.0.0.1:1" },
          { 1, 1 },
          1 },
        { "strangers about our network",
          { "10.0.0.9:4001", "10.0.0.9:4001" },
          { "9.1.1.1:1", "9.1.2.1:1" },
          { 1, 2 },
          0 },
        { "neighbours about the world",
          { "8.8.8.8:4001", "8.8.8.8:4001" },
          { "10.0.0.1:1", "10.0.1.1:1" },
          { 1, 2 },
          0 },
        { "link local",
          { "169.254.1.1:4001", "169.254.1.1:4001" },
          { "169.254.1.2:1", "169.254.1.2:1" },
          { 1, 2 },
          0 },
        { "multicast",
          { "224.0.0.1:4001", "224.0.0.1:4001" },
          { "9.1.1.1:1", "9.1.2.1:1" },
          { 1, 2 },
          0 },
};

static void test_who_is_believed(void **state) {
        FOREACH_CASE (c, cases) {
                struct observed *o = observed_new();
                bool changed = false;

                print_message("# %s\n", c->name);
                for (int i = 0; i < 2; i++)
                        changed |= report(o, c->seen[i], c->by[i], c->from[i], NSEC_PER_SEC);
                assert_int_equal(n_believed(o), c->want);
                assert_int_equal(changed, c->want > 0);
                observed_free(o);
        }
}

static void test_an_hour(void **state) {
        struct observed *o = observed_new();

        assert_int_equal(observed_deadline(o), NSEC_NEVER);
        (void) report(o, "8.8.8.8:4001", 1, "9.1.1.1:1", 1 * MINUTE);
        assert_false(observed_expire(o, 61 * MINUTE)); /* it was never believed */
        assert_int_equal(observed_deadline(o), NSEC_NEVER);
        (void) report(o, "8.8.8.8:4001", 1, "9.1.1.1:1", 61 * MINUTE);
        assert_true(report(o, "8.8.8.8:4001", 2, "9.1.2.1:1", 90 * MINUTE));
        assert_false(report(o, "8.8.8.8:4001", 1, "9.1.1.1:1", 100 * MINUTE)); /* again */
        assert_false(observed_expire(o, 149 * MINUTE));
        assert_int_equal(observed_deadline(o), 150 * MINUTE);
        assert_true(observed_expire(o, 150 * MINUTE));
        assert_int_equal(n_believed(o), 0);
        assert_false(observed_expire(o, 160 * MINUTE));
        assert_int_equal(observed_deadline(o), NSEC_NEVER);
        observed_free(o);
}

/* A peer that moves its vote takes it from where it was. */
static void test_votes_move(void **state) {
        struct observed *o = observed_new();

        (void) report(o, "8.8.8.8:4001", 1, "9.1.1.1:1", 1);
        assert_true(report(o, "8.8.8.8:4001", 2, "9.1.2.1:1", 2));
        assert_true(report(o, "8.8.8.8:4002", 2, "9.1.2.1:1", 3));
        assert_int_equal(n_believed(o), 0);
        assert_true(report(o, "8.8.8.8:4002", 1, "9.1.1.1:1", 4));
        assert_int_equal(n_believed(o), 1);
        observed_free(o);
}

/* Many liars push out neither what is believed nor each other's memory. */
static void test_bounded(void **state) {
        struct observed *o = observed_new();
        struct observed_address a;
        char seen[32], from[32];

        (void) report(o, "8.8.8.8:4001", 1, "9.1.1.1:1", 1);
        (void) report(o, "8.8.8.8:4001", 2, "9.1.2.1:1", 2);
        for (unsigned i = 3; i < 250; i++) {
                (void) snprintf(seen, sizeof(seen), "8.8.8.8:%u", 5000 + i);
                (void) snprintf(from, sizeof(from), "9.1.%u.1:1", i);
                assert_false(report(o, seen, (uint8_t) i, from, i));
        }
        assert_true(observed_address(o, OBSERVED_ADDRS_MAX - 1, &a));
        assert_false(observed_address(o, OBSERVED_ADDRS_MAX, &a));
        assert_int_equal(n_believed(o), 1);
        for (unsigned i = 3; i < 250; i++) {
                (void) snprintf(from, sizeof(from), "9.1.%u.1:1", i);
                (void) report(o, "8.8.8.8:4001", (uint8_t) i, from, 1000 + i);
        }
        assert_true(observed_address(o, 0, &a));
        assert_int_equal(a.n_networks, OBSERVED_VOTES_MAX);
        observed_free(o);
}

TEST_MAIN(cmocka_unit_test(test_who_is_believed), cmocka_unit_test(test_an_hour),
          cmocka_unit_test(test_votes_move), cmocka_unit_test(test_bounded))
