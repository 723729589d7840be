#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "services/dht/slots.h"
#include "services/dht/store_sqlite.h"
#include "tests/unit/dht/record_server.h"

static int setup(void **state) {
        *state = server_new(12);
        return 0;
}

static int teardown(void **state) {
        server_free(*state);
        return 0;
}

static struct bytes chess(struct server *s) {
        return name_for(&s->name, RECORD_TOPIC, NULL, BYTES_LIT("chess"));
}

/* p says at 1.x.y/24 `net` that he is there. */
static Record__Result announce(struct server *s, uint32_t p, uint16_t net, int64_t created) {
        struct person person = person_no(p);
        struct dht_remote from = remote_at(&person, net);
        struct record_statement statement =
                statement_by(&person, RECORD_TOPIC, BYTES_LIT("chess"), BYTES_LIT("here"));

        statement.created_us = created;
        (void) sign_record(&s->value, &person, &statement);
        record_put_store(&s->message, chess(s), buffer_bytes(&s->value));
        return server_ask(s, &from)->result;
}

/* All pages; how many of the publishers first..last are among them. */
static size_t find(struct server *s, uint32_t first, uint32_t last, size_t *ret_total) {
        struct person reader = person_no(255);
        struct dht_remote from = remote_at(&reader, 0);
        uint8_t after[32];
        size_t n = 0, pages = 0;
        bool more = false;

        *ret_total = 0;
        do {
                const Record__Reply *reply;

                record_put_find(&s->message, chess(s), BYTES(after, more ? 32 : 0), 0);
                reply = server_ask(s, &from);
                assert_int_equal(reply->result, RECORD__RESULT__RESULT_OK);
                for (size_t i = 0; i < reply->n_values; i++) {
                        struct record_parts parts;

                        assert_int_equal(record_split(record_bytes(reply->values[i]), &parts), 0);
                        for (uint32_t p = first; p <= last; p++) {
                                struct person person = person_no(p);

                                n += peer_id_equal(&parts.fields.publisher, &person.peer);
                        }
                }
                *ret_total += reply->n_values;
                more = reply->next.len == 32;
                if (more)
                        memcpy(after, reply->next.data, 32);
        } while (more && ++pages < 100);
        return n;
}

static void many_publishers_one_name(void **state) {
        struct server *s = *state;
        size_t total;

        for (uint32_t p = 1; p <= 40; p++)
                assert_int_equal(announce(s, p, (uint16_t) p, NOW), RECORD__RESULT__RESULT_OK);
        assert_int_equal(find(s, 1, 40, &total), 40);
        assert_int_equal(total, 40);
        /* again with a newer date takes the same place; an older one is refused */
        assert_int_equal(announce(s, 7, 7, NOW + 1), RECORD__RESULT__RESULT_OK);
        assert_int_equal(announce(s, 7, 7, NOW), RECORD__RESULT__RESULT_OLD);
        assert_int_equal(announce(s, 7, 7, NOW + 1), RECORD__RESULT__RESULT_OK);
        assert_int_equal(find(s, 1, 40, &total), 40);
        assert_int_equal(total, 40);
        /* what has expired is not shown, even before it is swept away */
        s->serve.now_us = NOW + 24 * HOUR - 1;
        assert_int_equal(find(s, 1, 40, &total), 40);
        s->serve.now_us = NOW + 24 * HOUR;
        assert_int_equal(find(s, 1, 40, &total), 0);
}

/* A3: 1,000 identities of a few subnets, each with the latest date it may have, before and
 * after the honest ones: those stay, and newcomers come in. */
static void a_thousand_identities(void **state) {
        struct server *s = *state;
        size_t total, honest;

        for (uint32_t p = 1000; p < 1500; p++)
                (void) announce(s, p, (uint16_t) (1000 + p % 8), NOW + RULES_SKEW_US);
        for (uint32_t p = 1; p <= 60; p++)
                assert_int_equal(announce(s, p, (uint16_t) p, NOW), RECORD__RESULT__RESULT_OK);
        for (uint32_t p = 1500; p < 2000; p++)
                (void) announce(s, p, (uint16_t) (1000 + p % 8), NOW + RULES_SKEW_US);
        honest = find(s, 1, 60, &total);
        assert_int_equal(honest, 60);
        assert_int_equal(total - honest, 8 * 4);
}

/* All places taken: one subnet with many gives way to another with one, and who comes
 * again gains nothing. */
static void subnets_share(void **state) {
        struct server *s = *state;
        size_t total, before, after;

        for (uint32_t p = 1000; p < 1128; p++) /* 32 subnets with 4 each */
                assert_int_equal(announce(s, p, (uint16_t) (1000 + p / 4), NOW),
                                 RECORD__RESULT__RESULT_OK);
        for (uint32_t p = 1; p <= 60; p++)
                assert_int_equal(announce(s, p, (uint16_t) p, NOW), RECORD__RESULT__RESULT_OK);
        assert_int_equal(find(s, 1, 60, &total), 60);
        assert_int_equal(total, 128);
        before = find(s, 1000, 1127, &total);
        for (int again = 0; again < 20; again++)
                for (uint32_t p = 1000; p < 1128; p++)
                        (void) announce(s, p, (uint16_t) (1000 + p / 4), NOW + 1 + again);
        after = find(s, 1000, 1127, &total);
        assert_int_equal(after, before);
        assert_int_equal(find(s, 1, 60, &total), 60);
}

/* The same on the level of places: with a secret rank, no set of tries empties them. */
static void ranks_decide_among_equals(void **state) {
        const struct slots_limits limits = { .total = 8, .per_subnet = 4, .per_wide = 16 };
        struct slot_member m[9] = {};
        size_t victim;

        for (size_t i = 0; i < 9; i++)
                m[i] = (struct slot_member){ .subnet = { ENDPOINT_IP4, { (uint8_t) i } },
                                             .rank = 10 * i };
        assert_int_equal(slots_admit(&limits, m, 8, &m[8], &victim), SLOTS_E_FULL);
        m[8].rank = 65;
        assert_int_equal(slots_admit(&limits, m, 8, &m[8], &victim), SLOTS_REPLACE);
        assert_int_equal(victim, 7);
        m[8].subnet = m[0].subnet; /* a second one of his subnet: one of the two must go */
        assert_int_equal(slots_admit(&limits, m, 8, &m[8], &victim), SLOTS_E_FULL);
        m[0].rank = 100;
        assert_int_equal(slots_admit(&limits, m, 8, &m[8], &victim), SLOTS_REPLACE);
        assert_int_equal(victim, 0);
        for (size_t i = 0; i < 4; i++)
                m[i].subnet = m[8].subnet;
        assert_int_equal(slots_admit(&limits, m, 8, &m[8], &victim), SLOTS_E_SUBNET);
}

static double seconds(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static double reads_per_second(struct server *s, size_t n) {
        struct person reader = person_no(255);
        struct dht_remote from = remote_at(&reader, 0);
        double begin = seconds();

        for (size_t i = 0; i < n; i++) {
                record_put_find(&s->message, chess(s), BYTES_NONE, 0);
                assert_int_equal(server_ask(s, &from)->n_values, 32);
        }
        return (double) n / (seconds() - begin);
}

/* A9: reading verifies nothing; 10^4 reads/s of a full topic in memory and on disk. */
static void a_full_topic_is_read_fast(void **state) {
        struct server *s = *state;
        char path[] = "/tmp/quorate-topic-XXXXXX", name[64], error[STORE_ERROR_SIZE];
        static const char *const endings[] = { "", "-wal", "-shm" };
        struct store disk = {};
        uint64_t verified;
        double memory_rate, disk_rate;
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(store_sqlite_open(path, &store_limits_default, &disk, error), 0);
        for (int on_disk = 0; on_disk < 2; on_disk++) {
                s->serve.store = on_disk ? &disk : &s->store;
                for (uint32_t p = 1; p <= 128; p++)
                        assert_int_equal(announce(s, p, (uint16_t) p, NOW),
                                         RECORD__RESULT__RESULT_OK);
        }
        verified = rules_stats(s->rules)->verified;
        disk_rate = reads_per_second(s, 10000);
        s->serve.store = &s->store;
        memory_rate = reads_per_second(s, 10000);
        print_message("# reads/s of a full topic: %.0f in memory, %.0f on disk\n", memory_rate,
                      disk_rate);
        assert_int_equal(rules_stats(s->rules)->verified, verified);
#ifndef __SANITIZE_ADDRESS__
        assert_true(memory_rate > 10000);
#endif
        store_sqlite_close(&disk);
        for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
                snprintf(name, sizeof(name), "%s%s", path, endings[i]);
                (void) unlink(name);
        }
}

static void requests_have_limits(void **state) {
        struct server *s = *state;
        struct person p = person_no(1);
        struct dht_remote from = remote_at(&p, 0);
        static const uint8_t junk[RECORD_MESSAGE_MAX + 1];

        assert_false(record_serve(&s->serve, &from, BYTES_NONE, &s->reply));
        assert_false(record_serve(&s->serve, &from, BYTES_OF(junk), &s->reply));
        record_put_find(&s->message, chess(s), BYTES(junk, 31), 0); /* not a slot */
        assert_false(record_serve(&s->serve, &from, buffer_bytes(&s->message), &s->reply));
        buffer_clear(&s->message);
        record_put_store(&s->message, BYTES(junk, RECORD_NAME_MAX + 1), BYTES_NONE);
        assert_false(record_serve(&s->serve, &from, buffer_bytes(&s->message), &s->reply));
        buffer_clear(&s->message);
        record_put_store(&s->message, chess(s), BYTES(junk, 100));
        assert_int_equal(server_ask(s, &from)->result, RECORD__RESULT__RESULT_INVALID);
        record_put_find(&s->message, chess(s), BYTES_NONE, UINT32_MAX); /* more than we give */
        assert_int_equal(server_ask(s, &from)->n_values, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

TEST_MAIN(TEST(many_publishers_one_name), TEST(a_thousand_identities), TEST(subnets_share),
          TEST(ranks_decide_among_equals), TEST(a_full_topic_is_read_fast),
          TEST(requests_have_limits))
