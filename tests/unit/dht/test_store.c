#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/rng.h"
#include "services/dht/store_sqlite.h"
#include "tests/support/test.h"

static char folder[64], path[128];

static int setup(void **state) {
        strcpy(folder, "/tmp/quorate-dht-XXXXXX");
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/dht.db", folder);
        return 0;
}

static int teardown(void **state) {
        static const char *const endings[] = { "", "-wal", "-shm" };
        char name[160];

        for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
                snprintf(name, sizeof(name), "%s%s", path, endings[i]);
                (void) unlink(name);
        }
        assert_int_equal(rmdir(folder), 0);
        return 0;
}

static struct store open_it(const struct store_limits *limits) {
        char error[STORE_ERROR_SIZE] = "";
        struct store s = {};

        if (store_sqlite_open(path, limits, &s, error))
                fail_msg("%s", error);
        return s;
}

/* ---- whatever is asked, both stores give the same answer ---- */

/* Few of everything, so that operations meet. */
#define KEYS      12
#define SLOTS     5
#define PEERS     7
#define SUBNETS   6
#define VALUE_MAX 300

static struct key key_no(uint64_t n) {
        uint8_t bytes[8];

        store_be64(bytes, n);
        return key_of(BYTES_OF(bytes));
}

static struct peer_id peer_no(uint64_t n) {
        struct sign_public k = { .bytes = { (uint8_t) n, (uint8_t) (n >> 8), 77 } };

        return peer_id_from_ed25519(&k);
}

static struct subnet subnet_no(uint64_t n) {
        struct subnet s = { .family = n == 0 ? 0 : n % 2 ? ENDPOINT_IP4 : ENDPOINT_IP6 };

        if (n > 0)
                s.prefix[2] = (uint8_t) n;
        if (s.family == ENDPOINT_IP6)
                s.prefix[5] = (uint8_t) (n % 4); /* some share their /32, one is its own */
        return s;
}

static uint8_t value_room[VALUE_MAX];

static struct stored_record random_record(struct rng *rng) {
        struct stored_record r = {
                .key = key_no(rng_below(rng, KEYS)),
                .slot = { (uint8_t) rng_below(rng, SLOTS) },
                .kind = (uint8_t) (1 + rng_below(rng, 5)),
                .class = rng_chance(rng, 0.1) ? STORE_OWN : STORE_FOREIGN,
                .name = BYTES("/topic/x", rng_below(rng, 9)),
                .value = BYTES(value_room, rng_below(rng, VALUE_MAX)),
                .sequence = rng_chance(rng, 0.1) ? UINT64_MAX : rng_u64(rng),
                .publisher = { (uint8_t) rng_below(rng, PEERS) },
                .subnet = subnet_no(rng_below(rng, SUBNETS)),
                .received_us = (int64_t) rng_below(rng, 1000),
                .expires_us = (int64_t) (1000 + rng_below(rng, UINT32_MAX)),
        };

        rng_bytes(rng, value_room, sizeof(value_room));
        return r;
}

static void note_bytes(struct buffer *b, struct bytes v) {
        buffer_put_u32(b, (uint32_t) v.len);
        buffer_put_bytes(b, v);
}

static bool note_record(void *userdata, const struct stored_record *r) {
        struct buffer *b = userdata;

        buffer_put_bytes(b, key_bytes(&r->key));
        buffer_put(b, r->slot, sizeof(r->slot));
        buffer_put_u8(b, r->kind);
        buffer_put_u8(b, r->class);
        note_bytes(b, r->name);
        note_bytes(b, r->value);
        buffer_put_u64(b, r->sequence);
        buffer_put(b, r->publisher, sizeof(r->publisher));
        buffer_put(b, &r->subnet, sizeof(r->subnet));
        buffer_put_u64(b, (uint64_t) r->received_us);
        buffer_put_u64(b, (uint64_t) r->expires_us);
        return b->len < 20000;
}

static bool note_provider(void *userdata, const struct stored_provider *p) {
        struct buffer *b = userdata;

        buffer_put_bytes(b, key_bytes(&p->key));
        note_bytes(b, p->name);
        note_bytes(b, peer_id_bytes(&p->contact.peer));
        buffer_put_bytes(b, key_bytes(&p->contact.key));
        note_bytes(b, p->contact.addresses ? refbuf_bytes(p->contact.addresses) : BYTES_NONE);
        buffer_put_u8(b, p->class);
        buffer_put(b, &p->subnet, sizeof(p->subnet));
        buffer_put_u64(b, (uint64_t) p->expires_us);
        return true;
}

enum operation {
        PUT,
        REMOVE,
        ONE,
        EACH,
        WALK,
        HEADS,
        OWN,
        COUNTS,
        PROVIDER_PUT,
        PROVIDER_REMOVE,
        PROVIDERS,
        EXPIRE,
        STATE,
        _N,
};

/* Shown in no order: a sum of what is shown. */
static bool sum_provider(void *userdata, const struct stored_provider *p) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 1 << 16);
        (void) note_provider(&b, p);
        *(uint64_t *) userdata += load_be64(key_of(buffer_bytes(&b)).bytes);
        return true;
}

static void do_own(const struct store *s, struct buffer *ret) {
        uint64_t sum = 0;

        assert_int_equal(s->ops->own(s->self, note_record, ret), STORE_OK);
        assert_int_equal(s->ops->own_providers(s->self, sum_provider, &sum), STORE_OK);
        buffer_put_u64(ret, sum);
}

/* What heads() promises; it ends where the function says so. */
static bool note_head(void *userdata, const struct stored_record *r) {
        struct buffer *b = userdata;

        buffer_put_bytes(b, key_bytes(&r->key));
        buffer_put_bytes(b, BYTES_OF(r->slot));
        buffer_put_u8(b, r->kind);
        buffer_put_u64(b, r->sequence);
        buffer_put_bytes(b, BYTES_OF(r->publisher));
        buffer_put_u64(b, (uint64_t) r->expires_us);
        return r->slot[0] % 4 != 0;
}

static void do_state(const struct store *s, struct rng *rng, struct buffer *ret) {
        CLEANUP(refbuf_unrefp) struct refbuf *got = NULL;
        const char *name = rng_chance(rng, 0.5) ? "peers" : "sequence";
        uint8_t value[40];

        rng_bytes(rng, value, sizeof(value));
        if (rng_chance(rng, 0.3))
                buffer_put_u32(ret, (uint32_t) s->ops->state_put(s->self, name,
                                                                 BYTES(value, rng_below(rng, 40))));
        buffer_put_u32(ret, (uint32_t) s->ops->state_get(s->self, name, &got));
        if (got)
                note_bytes(ret, refbuf_bytes(got));
}

static void do_provider_put(const struct store *s, struct rng *rng, struct buffer *ret) {
        struct stored_provider p = { .key = key_no(rng_below(rng, KEYS)),
                                     .name = BYTES("multihash", rng_below(rng, 10)),
                                     .class = rng_chance(rng, 0.1),
                                     .subnet = subnet_no(rng_below(rng, SUBNETS)),
                                     .received_us = 5,
                                     .expires_us = (int64_t) (1000 + rng_below(rng, UINT32_MAX)) };
        struct peer_id peer = peer_no(rng_below(rng, PEERS));
        struct multiaddr a;

        assert_int_equal(multiaddr_from_text(BYTES_LIT("/ip4/1.2.3.4/udp/5/quic-v1"), &a), 0);
        contact_init(&p.contact, &peer, &a, rng_below(rng, 2));
        buffer_put_u32(ret, (uint32_t) s->ops->provider_put(s->self, &p));
        contact_done(&p.contact);
}

static void do_counts(const struct store *s, struct rng *rng, struct buffer *ret) {
        struct key key = key_no(rng_below(rng, KEYS));
        uint8_t publisher[32] = { (uint8_t) rng_below(rng, PEERS) };
        struct subnet subnet = subnet_no(rng_below(rng, SUBNETS));
        struct peer_id peer = peer_no(rng_below(rng, PEERS));
        struct store_counts counts;

        buffer_put_u64(ret, s->ops->count_key(s->self, &key));
        buffer_put_u64(ret, s->ops->count_publisher(s->self, publisher));
        buffer_put_u64(ret, s->ops->count_subnet(s->self, &subnet));
        subnet.prefix[4] = subnet.prefix[5] = 0;
        buffer_put_u64(ret, s->ops->count_subnet(s->self, &subnet));
        buffer_put_u64(ret, s->ops->count_provider(s->self, &peer));
        s->ops->counts(s->self, &counts);
        buffer_put(ret, &counts, sizeof(counts));
}

/* Draws the same for whatever store: the rng is a copy. */
static void operate(const struct store *s, struct rng rng, struct buffer *ret) {
        struct stored_record r = random_record(&rng);
        enum operation what = rng_below(&rng, _N + 6); /* PUT more often than others */
        struct peer_id peer;
        int answer = 0;

        buffer_clear(ret);
        switch (what) {
        case REMOVE:
                answer = s->ops->remove(s->self, &r.key, r.slot);
                break;
        case ONE:
                answer = s->ops->one(s->self, &r.key, r.slot, note_record, ret);
                break;
        case EACH:
                answer = s->ops->each(s->self, &r.key, note_record, ret);
                break;
        case WALK:
                answer = s->ops->walk(s->self, rng_chance(&rng, 0.3) ? NULL : &r.key,
                                      rng_below(&rng, 9), note_record, ret);
                break;
        case HEADS:
                answer = s->ops->heads(s->self, rng_chance(&rng, 0.3) ? NULL : &r.key, note_head,
                                       ret);
                break;
        case OWN:
                do_own(s, ret);
                break;
        case PROVIDER_REMOVE:
                peer = peer_no(rng_below(&rng, PEERS));
                answer = s->ops->provider_remove(s->self, &r.key, &peer);
                break;
        case COUNTS:
                do_counts(s, &rng, ret);
                break;
        case PROVIDER_PUT:
                do_provider_put(s, &rng, ret);
                break;
        case PROVIDERS:
                answer = s->ops->providers(s->self, &r.key, note_provider, ret);
                break;
        case EXPIRE:
                answer = (int) s->ops->expire(s->self, (int64_t) rng_below(&rng, UINT32_MAX / 8),
                                              rng_below(&rng, 4));
                break;
        case STATE:
                do_state(s, &rng, ret);
                break;
        default:
                answer = s->ops->put(s->self, &r);
        }
        buffer_put_u32(ret, (uint32_t) answer);
}

static void both_stores_agree(void **state) {
        const struct store_limits limits = { .records = 30, .bytes = 4000, .providers = 20 };
        struct store disk = open_it(&limits), memory = store_memory_new(&limits, 3);
        CLEANUP(buffer_donep) struct buffer a = {}, b = {};
        struct rng rng;
        size_t n_full = 0;

        buffer_init(&a, 1 << 20);
        buffer_init(&b, 1 << 20);
        rng_init(&rng, 20260801);
        for (size_t i = 0; i < 10000; i++) {
                struct rng copy;

                (void) rng_u64(&rng);
                copy = rng;
                operate(&disk, copy, &a);
                operate(&memory, copy, &b);
                if (!bytes_equal(buffer_bytes(&a), buffer_bytes(&b)))
                        fail_msg("operation %zu differs", i);
                n_full += a.len == 4 && a.data[3] == STORE_E_FULL;
                if (rng_chance(&rng, 0.05))
                        assert_int_equal(store_sqlite_commit(&disk), STORE_OK);
                if (rng_chance(&rng, 0.002)) { /* a restart changes nothing */
                        assert_int_equal(store_sqlite_commit(&disk), STORE_OK);
                        store_sqlite_close(&disk);
                        disk = open_it(&limits);
                }
        }
        assert_in_range(n_full, 100, 5000); /* the limits were met, and not always */
        store_sqlite_close(&disk);
        store_memory_free(&memory);
}

/* ---- disk ---- */

static struct stored_record record_no(uint64_t n, struct bytes value) {
        struct stored_record r = { .key = key_no(n),
                                   .kind = 1,
                                   .name = BYTES_LIT("/endpoint/someone"),
                                   .value = value,
                                   .sequence = n,
                                   .subnet = subnet_no(1 + n % 200),
                                   .expires_us = (int64_t) (1000000 + n) };

        store_be64(r.publisher, n + 1);
        return r;
}

static bool see(void *userdata, const struct stored_record *r) {
        *(uint64_t *) userdata = r->sequence;
        return true;
}

/* Writes 1,000 records, a few each turn, and says after each commit how far it is. */
static _Noreturn void write_until_killed(int out) {
        struct store s = {};
        char error[STORE_ERROR_SIZE];
        uint8_t value[1024] = {};

        if (store_sqlite_open(path, &store_limits_default, &s, error))
                _exit(1);
        for (uint64_t n = 0; n < 1000; n++) {
                struct stored_record r = record_no(n, BYTES_OF(value));

                if (s.ops->put(s.self, &r))
                        _exit(1);
                if (n % 3 == 2 && (store_sqlite_commit(&s) || write(out, &n, sizeof(n)) < 0))
                        _exit(1);
        }
        (void) pause();
        _exit(0);
}

static void kill_loses_nothing_acknowledged(void **state) {
        uint64_t acknowledged = 0, told, found, n_rows = 0;
        struct store_counts counts;
        struct store s;
        int pipes[2];
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        child = fork();
        if (child == 0)
                write_until_killed(pipes[1]);
        assert_int_equal(close(pipes[1]), 0);
        while (acknowledged < 500 && read(pipes[0], &told, sizeof(told)) == sizeof(told))
                acknowledged = told;
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(pipes[0], &told, sizeof(told)) == sizeof(told))
                acknowledged = told;
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(pipes[0]);
        assert_true(acknowledged >= 500);

        s = open_it(&store_limits_default);
        for (uint64_t n = 0; n <= acknowledged; n++) {
                struct stored_record r = record_no(n, BYTES_NONE);

                assert_int_equal(s.ops->one(s.self, &r.key, r.slot, see, &found), STORE_OK);
                assert_int_equal(found, n);
        }
        for (uint64_t n = 0; n < 1000; n++) {
                struct stored_record r = record_no(n, BYTES_NONE);

                n_rows += s.ops->one(s.self, &r.key, r.slot, see, &found) == STORE_OK;
        }
        s.ops->counts(s.self, &counts); /* they went with the rows */
        assert_int_equal(counts.records, n_rows);
        assert_int_equal(counts.bytes, n_rows * (17 + 1024));
        store_sqlite_close(&s);
}

static void what_is_not_committed_is_undone(void **state) {
        struct stored_record r = record_no(1, BYTES_LIT("one"));
        struct store_counts counts;
        struct store s = open_it(&store_limits_default);

        assert_int_equal(s.ops->put(s.self, &r), STORE_OK);
        assert_true(store_sqlite_is_dirty(&s));
        store_sqlite_close(&s);
        s = open_it(&store_limits_default);
        s.ops->counts(s.self, &counts);
        assert_int_equal(counts.records, 0);
        assert_int_equal(s.ops->count_key(s.self, &r.key), 0);
        assert_int_equal(s.ops->put(s.self, &r), STORE_OK);
        assert_int_equal(store_sqlite_commit(&s), STORE_OK);
        assert_false(store_sqlite_is_dirty(&s));
        store_sqlite_close(&s);
        s = open_it(&store_limits_default);
        assert_int_equal(s.ops->count_key(s.self, &r.key), 1);
        store_sqlite_close(&s);
}

static void one_writer_and_no_strangers(void **state) {
        struct store s = open_it(&store_limits_default), second = {};
        struct stored_record r = record_no(1, BYTES_NONE);
        char error[STORE_ERROR_SIZE] = "";
        FILE *f;

        assert_int_equal(s.ops->put(s.self, &r), STORE_OK);
        assert_int_equal(store_sqlite_open(path, &store_limits_default, &second, error),
                         STORE_OPEN_E_LOCKED);
        assert_non_null(strstr(error, "another dht is using it"));
        store_sqlite_close(&s);

        f = fopen(path, "w");
        assert_non_null(f);
        for (int i = 0; i < 400; i++)
                fputs("not a database, but long enough for one\n", f);
        fclose(f);
        assert_int_equal(store_sqlite_open(path, &store_limits_default, &second, error),
                         STORE_OPEN_E_BAD);
        assert_non_null(strstr(error, "move it away"));
        store_sqlite_close(&second); /* harmless */
}

static size_t resident_kib(void) {
        char line[256];
        size_t kib = 0;
        FILE *f = fopen("/proc/self/status", "r");

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "VmRSS: %zu", &kib) == 1)
                        break;
        if (f)
                fclose(f);
        return kib;
}

/* A full store is on the disk, not in memory; it opens at once. */
static void a_hundred_thousand_records(void **state) {
        const struct store_limits limits = { .records = 100000, .bytes = 1 << 30, .providers = 1 };
        uint8_t value[1024 - 17] = {};
        struct store s = open_it(&limits);
        struct stored_record r;
        uint64_t found;

        for (uint64_t n = 0; n < limits.records; n++) {
                r = record_no(n, BYTES_OF(value));
                assert_int_equal(s.ops->put(s.self, &r), STORE_OK);
                if (n % 1000 == 999)
                        assert_int_equal(store_sqlite_commit(&s), STORE_OK);
        }
        r = record_no(limits.records, BYTES_OF(value));
        assert_int_equal(s.ops->put(s.self, &r), STORE_E_FULL);
        for (uint64_t n = 0; n < limits.records; n += 7) {
                r = record_no(n, BYTES_NONE);
                assert_int_equal(s.ops->one(s.self, &r.key, r.slot, see, &found), STORE_OK);
        }
        print_message("# resident with 100,000 records: %zu KiB\n", resident_kib());
#ifndef __SANITIZE_ADDRESS__
        assert_in_range(resident_kib(), 1, 64 * 1024);
#endif
        store_sqlite_close(&s);
        s = open_it(&limits);
        assert_int_equal(s.ops->count_publisher(s.self, r.publisher), 1);
        assert_int_equal(s.ops->expire(s.self, 1000000 + 499, 10000), 500);
        store_sqlite_close(&s);
}

static bool note_subnet(void *userdata, const struct stored_provider *p) {
        *(struct subnet *) userdata = p->subnet;
        return true;
}

/* A file from before providers had a subnet: those in it count in none. */
static void an_older_file_is_read(void **state) {
        struct stored_provider p = { .key = key_no(1),
                                     .name = BYTES_LIT("multihash"),
                                     .subnet = subnet_no(1),
                                     .expires_us = 1000 };
        struct subnet seen = p.subnet, none = {};
        struct peer_id peer = peer_no(1);
        struct store s = open_it(&store_limits_default);
        sqlite3 *db;

        contact_init(&p.contact, &peer, NULL, 0);
        p.subnet = none;
        assert_int_equal(s.ops->provider_put(s.self, &p), STORE_OK);
        assert_int_equal(store_sqlite_commit(&s), STORE_OK);
        store_sqlite_close(&s);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db,
                                      "DROP INDEX record_head;"
                                      "ALTER TABLE provider DROP COLUMN subnet;"
                                      "PRAGMA user_version = 1",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        sqlite3_close(db);
        s = open_it(&store_limits_default);
        assert_int_equal(s.ops->providers(s.self, &p.key, note_subnet, &seen), STORE_OK);
        assert_memory_equal(&seen, &none, sizeof(none));
        p.subnet = subnet_no(1);
        assert_int_equal(s.ops->provider_put(s.self, &p), STORE_OK);
        assert_int_equal(s.ops->count_subnet(s.self, &p.subnet), 1);
        assert_int_equal(s.ops->count_provider(s.self, &peer), 1);
        store_sqlite_close(&s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(both_stores_agree, setup, teardown),
                cmocka_unit_test_setup_teardown(kill_loses_nothing_acknowledged, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_not_committed_is_undone, setup, teardown),
                cmocka_unit_test_setup_teardown(one_writer_and_no_strangers, setup, teardown),
                cmocka_unit_test_setup_teardown(an_older_file_is_read, setup, teardown),
                cmocka_unit_test_setup_teardown(a_hundred_thousand_records, setup, teardown),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
