#include "services/dht/meeting.h"

#include "common/base/text.h"
#include "common/crypto/kdf.h"
#include "tests/support/test.h"

#define HOUR_US INT64_C(3600000000)
#define NOON    (INT64_C(500000) * HOUR_US) /* the beginning of an hour */
#define GOOD    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define MINUTES (60 * INT64_C(1000000))

static void secret_of(const char *hex, uint8_t ret[MEETING_SECRET_SIZE]) {
        uint8_t raw[32];

        assert_true(hex_decode(hex, raw, sizeof(raw)));
        hkdf_sha256(BYTES_OF(raw), BYTES_NONE, BYTES_LIT("quorate/v1/network"), ret,
                    MEETING_SECRET_SIZE);
}

/* The same as tests/unit/daemon/test_network.c has from Python's hmac. */
static void test_names(void **state) {
        static const struct {
                int64_t at;
                const char *want;
        } cases[] = {
                { 0, "322e53b35f774fcf468b590e3a155dde55082e1b2265a2753bcfbdea55a2e6e1" },
                { 3600, "d7eb7f526514edd441f6f7a790de36e79417b28733e7ca765edb8fee8ef4921f" },
                { 1780000000, "b3a81e2fe71136a9401876c6644774dc26e1e4f1da9781b1ee79b1301bdb43a9" },
        };
        uint8_t secret[MEETING_SECRET_SIZE];
        char name[MEETING_NAME_SIZE], other[MEETING_NAME_SIZE];

        secret_of(GOOD, secret);
        FOREACH_CASE (c, cases)
                assert_string_equal(
                        meeting_name(secret, BYTES_NONE, meeting_hour(c->at * 1000000), name),
                        c->want);
        (void) meeting_name(secret, BYTES_LIT("chess"), 494444, other);
        assert_string_not_equal(name, other);
}

/* One node's clock: what it has said by then, and what it would ask. */
static void at(const uint8_t secret[MEETING_SECRET_SIZE], int64_t wall, struct meeting_work *ret) {
        struct meeting m;

        meeting_init(&m, secret);
        meeting_work(&m, NSEC_PER_SEC, wall, ret);
        assert_true(ret->announces && ret->looks);
}

static bool finds(const struct meeting_work *who, const struct meeting_work *whom) {
        for (int i = 0; i < MEETING_HOURS; i++)
                if (strcmp(who->asked[i], whom->announced) == 0)
                        return true;
        return false;
}

/* Around the turn of an hour, with clocks up to 59 minutes apart: each finds the other. */
static void test_boundary_and_skew(void **state) {
        uint8_t secret[MEETING_SECRET_SIZE];

        secret_of(GOOD, secret);
        for (int64_t minute = -70; minute <= 70; minute++)
                for (int64_t skew = -59; skew <= 59; skew++) {
                        struct meeting_work a, b;

                        at(secret, NOON + minute * MINUTES, &a);
                        at(secret, NOON + (minute + skew) * MINUTES, &b);
                        assert_true(finds(&a, &b) && finds(&b, &a));
                }
}

/* Hours apart they do not, and without the secret nobody does. */
static void test_outsiders(void **state) {
        uint8_t secret[MEETING_SECRET_SIZE], wrong[MEETING_SECRET_SIZE];
        struct meeting_work a, later, outsider;

        secret_of(GOOD, secret);
        memcpy(wrong, secret, sizeof(wrong));
        wrong[31] ^= 1;
        at(secret, NOON, &a);
        at(secret, NOON + 2 * HOUR_US, &later);
        at(wrong, NOON, &outsider);
        assert_false(finds(&a, &later));
        assert_false(finds(&a, &outsider) || finds(&outsider, &a));
}

/* A day: announced once an hour, the old name withdrawn; asked often while alone, then seldom. */
static void test_schedule(void **state) {
        uint8_t secret[MEETING_SECRET_SIZE];
        char last[MEETING_NAME_SIZE] = "";
        unsigned n_announced = 0, n_withdrawn = 0, n_looks = 0;
        struct meeting m;

        secret_of(GOOD, secret);
        meeting_init(&m, secret);
        for (int64_t s = 0; s < 24 * 3600; s += 10) {
                struct meeting_work w;

                meeting_work(&m, (nsec_t) s * NSEC_PER_SEC, NOON + s * 1000000, &w);
                n_looks += w.looks;
                if (s == 60) {
                        assert_int_equal(n_looks, 7);
                        meeting_met(&m);
                }
                if (w.withdraws)
                        assert_string_equal(w.withdrawn, last);
                if (w.announces)
                        memcpy(last, w.announced, sizeof(last));
                n_announced += w.announces;
                n_withdrawn += w.withdraws;
        }
        assert_int_equal(n_announced, 24);
        assert_int_equal(n_withdrawn, 23);
        assert_in_range(n_looks, 280, 300);
}

static void test_failed_is_tried_again(void **state) {
        uint8_t secret[MEETING_SECRET_SIZE];
        struct meeting_work w;
        struct meeting m;

        secret_of(GOOD, secret);
        meeting_init(&m, secret);
        meeting_work(&m, 0, 1000, &w); /* a clock never set: 1970 */
        assert_false(w.announces || w.looks);
        meeting_work(&m, 0, NOON, &w);
        assert_true(w.announces);
        meeting_work(&m, 0, NOON, &w);
        assert_false(w.announces);
        meeting_failed(&m);
        meeting_work(&m, 0, NOON, &w);
        assert_true(w.announces);
        assert_false(w.withdraws);
}

TEST_MAIN(cmocka_unit_test(test_names), cmocka_unit_test(test_boundary_and_skew),
          cmocka_unit_test(test_outsiders), cmocka_unit_test(test_schedule),
          cmocka_unit_test(test_failed_is_tried_again))
