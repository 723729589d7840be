#include "services/coordinator/data/store_verify.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"
#include "services/coordinator/data/store_fetch.h"
#include "tests/unit/coordinator/data/support.h"

static bool has_manifest(struct store *s, const struct hash_value *root) {
        struct buffer b;
        bool has;

        buffer_init(&b, MANIFEST_SIZE_MAX);
        has = store_serve_source.manifest(s, root, &b) == 0;
        buffer_done(&b);
        return has;
}

static char *path_of(const struct hash_value *root, const char *suffix) {
        static char paths[4][160];
        static unsigned next;
        char *path = paths[next++ % 4], hex[2 * HASH_SIZE + 1];

        hex_encode(hash_bytes(root), hex);
        snprintf(path, sizeof(paths[0]), "%s/%s.%s", dir, hex, suffix);
        return path;
}

/* A dataset that could not be named whole is not there, and comes when it can be. */
static void test_naming_fails(void **state) {
        static const char *const suffixes[] = { "want", "meta", "data" };
        struct hash_value a, same;
        struct store *s;

        assert_int_equal(store_open(dir, 10 * MIB + META, &s), STORE_OK);
        a = put(s, 'a', MIB);
        store_unpin(s, &a);
        (void) put(s, 'b', 10 * MIB); /* a is gone, and known */
        s = store_free(s);
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                char inside[200];

                assert_int_equal(store_open(dir, 20 * MIB, &s), STORE_OK);
                assert_false(store_has(s, &a));
                /* A folder of this name, not empty: nothing can be renamed to it. */
                assert_int_equal(mkdir(path_of(&a, suffixes[i]), 0755), 0);
                snprintf(inside, sizeof(inside), "%s/x", path_of(&a, suffixes[i]));
                assert_int_equal(mkdir(inside, 0755), 0);
                assert_int_not_equal(try_put(s, 'a', MIB, &same), STORE_OK);
                assert_false(store_has(s, &a));
                assert_int_equal(store_used(s), 10 * MIB + META);
                assert_int_equal(rmdir(inside), 0);
                assert_int_equal(rmdir(path_of(&a, suffixes[i])), 0);
                assert_int_equal(try_put(s, 'a', MIB, &same), STORE_OK);
                assert_true(hash_equal(&a, &same));
                assert_true(has_manifest(s, &a));
                s = store_free(s);
                assert_int_equal(unlink(path_of(&a, "meta")), 0);
        }
}

/* What was fetched in part, and now comes from a client. */
static void test_upload_of_what_is_fetched_in_part(void **state) {
        struct hash_value a;
        struct store *s;

        assert_int_equal(store_open(dir, 6 * MIB + 2 * META, &s), STORE_OK);
        a = put(s, 'a', 2 * MIB);
        s = store_free(s);
        assert_int_equal(rename(path_of(&a, "meta"), path_of(&a, "want")), 0);
        assert_int_equal(rename(path_of(&a, "data"), path_of(&a, "part")), 0);
        assert_int_equal(store_open(dir, 6 * MIB + 2 * META, &s), STORE_OK);
        assert_false(store_has(s, &a));
        assert_int_equal(store_used(s), 2 * MIB + META);
        (void) put(s, 'a', 2 * MIB);
        assert_int_equal(store_used(s), 2 * MIB + META);
        assert_int_equal(access(path_of(&a, "part"), F_OK), -1);
        (void) put(s, 'b', 4 * MIB); /* what is pinned stays */
        assert_true(has_manifest(s, &a));
        store_unpin(s, &a);
        store_free(s);
}

static void test_survives_reopening(void **state) {
        struct hash_value a, b;
        char name[STORE_NAME_SIZE];
        struct store *s;
        struct stat st;
        uint64_t len;

        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        a = put(s, 'a', 3 * MIB + 5);
        b = put(s, 'a', 3 * MIB + 5);
        assert_true(hash_equal(&a, &b));
        assert_int_equal(store_used(s), 3 * MIB + STORE_BLOCK + META);
        s = store_free(s);

        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        assert_true(store_has(s, &a));
        assert_int_equal(store_length(s, &a, &len), STORE_OK);
        assert_int_equal(len, 3 * MIB + 5);
        assert_int_equal(store_used(s), 3 * MIB + STORE_BLOCK + META);
        assert_int_equal(chdir(dir), 0);
        assert_int_equal(stat(store_name(&a, name), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0444);
        store_free(s);
}

static void test_quota_evicts_only_what_is_unpinned(void **state) {
        struct hash_value a, b, c;
        struct upload *u;
        struct store *s;

        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        a = put(s, 'a', 4 * MIB);
        b = put(s, 'b', 4 * MIB);
        assert_int_equal(upload_begin(s, BYTES_LIT("sqlite"), 4 * MIB, no_salt, &u), STORE_E_QUOTA);
        store_unpin(s, &a);
        c = put(s, 'c', 4 * MIB);
        assert_false(store_has(s, &a));
        assert_true(store_has(s, &b) && store_has(s, &c));
        assert_int_equal(store_used(s), 8 * MIB + 2 * META);
        store_free(s);
}

/* Least recently used first, also of what was used before a restart. */
static void test_order_of_use_survives(void **state) {
        struct hash_value roots[4];
        struct upload *u;
        struct store *s;

        assert_int_equal(store_open(dir, 40 * MIB + 4 * META, &s), STORE_OK);
        for (uint8_t i = 0; i < 4; i++) {
                roots[i] = put(s, (uint8_t) ('a' + i), 10 * MIB);
                usleep(20000); /* more than a tick of the file system's clock */
        }
        assert_int_equal(store_pin(s, &roots[0]), STORE_OK); /* the first is used once more */
        s = store_free(s);
        for (size_t i = 1; i < 4; i++) {
                assert_int_equal(store_open(dir, 40 * MIB + 4 * META, &s), STORE_OK);
                assert_int_equal(upload_begin(s, BYTES_LIT("sqlite"), i * 10 * MIB, no_salt, &u),
                                 STORE_OK);
                upload_free(u);
                for (size_t k = 0; k < 4; k++)
                        assert_int_equal(store_has(s, &roots[k]), k == 0 || k > i);
                s = store_free(s);
        }
}

static void test_leftovers_of_a_crash_go(void **state) {
        char path[160];
        struct hash_value a;
        struct upload *u;
        struct store *s, *second;
        FILE *file;

        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        assert_int_equal(store_open(dir, 10 * MIB, &second), STORE_E_LOCKED);
        assert_int_equal(upload_begin(s, BYTES_LIT("sqlite"), 5, no_salt, &u), STORE_OK);
        assert_int_equal(upload_write(u, BYTES_LIT("123456")), STORE_E_LENGTH);
        assert_int_equal(upload_write(u, BYTES_LIT("1234")), STORE_OK);
        assert_int_equal(upload_finish(u, &a), STORE_E_LENGTH);
        upload_free(u);
        assert_int_equal(store_used(s), 0);
        a = put(s, 'a', MIB);
        s = store_free(s);

        /* A data file that lost bytes is not there any more. */
        char hex[STORE_NAME_SIZE];
        snprintf(path, sizeof(path), "%s/%s", dir, store_name(&a, hex));
        assert_int_equal(chmod(path, 0644), 0);
        assert_int_equal(truncate(path, 100), 0);
        snprintf(path, sizeof(path), "%s/upload-9.tmp", dir);
        file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        assert_false(store_has(s, &a));
        assert_int_equal(store_used(s), 0);
        assert_int_not_equal(access(path, F_OK), 0);
        store_free(s);
}

/* Serves from one store into another, dies in the middle, goes on. */
struct feed {
        struct store *from;
        struct store_fetch *to;
        unsigned chunks, stop_after, checks;
        /* So many bytes are published where it goes to, before this answer arrives; 0: never. */
        struct store *there;
        size_t len;
        unsigned answers, publish_at;
};

static bool feed_one(struct feed *f, struct bytes request) {
        struct buffer b;
        struct reader r;
        uint64_t len = 0;
        unsigned shift = 0;
        uint8_t c;

        buffer_init(&b, DATA_ANSWER_MAX);
        assert_int_equal(serve_request(&store_serve_source, f->from, NULL, request, &b), SERVE_OK);
        r = reader_of(buffer_bytes(&b));
        do {
                c = reader_u8(&r);
                len |= (uint64_t) (c & 0x7f) << shift;
                shift += 7;
        } while (c & 0x80);
        if (len > 100000)
                f->chunks++;
        if (++f->answers == f->publish_at)
                (void) put(f->there, 'x', f->len);
        if (f->chunks <= f->stop_after)
                fetch_frame(store_fetch_core(f->to), 0, reader_take(&r, len), 1);
        buffer_done(&b);
        return f->chunks < f->stop_after;
}

static enum fetch_action_kind feed_all(struct feed *f) {
        struct fetch *core = store_fetch_core(f->to);
        struct peer_id peer = { .len = 1 };
        struct fetch_action a;

        while (store_fetch_check(f->to) == STORE_FETCH_MORE)
                f->checks++;
        fetch_add_provider(core, &peer, 1);
        while (fetch_output(core, &a)) {
                if (a.kind == FETCH_OPEN)
                        fetch_opened(core, 0, 1);
                if (a.kind == FETCH_DONE || a.kind == FETCH_FAILED)
                        return a.kind;
                if (a.kind != FETCH_SEND)
                        continue;
                CLEANUP(freep) uint8_t *copy = xmemdup(a.data.data, a.data.len);
                for (size_t at = 0; at < a.data.len; at += 1u + copy[at])
                        if (!feed_one(f, BYTES(copy + at + 1, copy[at])))
                                return FETCH_NONE;
        }
        return FETCH_NONE;
}

static void test_fetch_resumes(void **state) {
        struct budget memory;
        struct fetch_config config = { NSEC_PER_SEC, 1, &memory };
        char other[80];
        struct hash_value a;
        struct store *from, *to;
        struct feed f;

        budget_init(&memory, MIB, NULL);
        snprintf(other, sizeof(other), "%s/other", dir);
        assert_int_equal(store_open(other, 10 * MIB, &from), STORE_OK);
        assert_int_equal(store_open(dir, 10 * MIB, &to), STORE_OK);
        a = put(from, 'x', 5 * MIB);
        f = (struct feed){ .from = from, .stop_after = 3 };
        assert_int_equal(store_fetch_begin(to, &a, &config, &f.to), STORE_OK);
        assert_int_equal(feed_all(&f), FETCH_NONE);
        store_fetch_free(f.to);
        assert_int_equal(store_used(to), 5 * MIB + META);
        to = store_free(to);

        assert_int_equal(store_open(dir, 10 * MIB, &to), STORE_OK);
        assert_int_equal(store_used(to), 5 * MIB + META);
        f = (struct feed){ .from = from, .stop_after = 100 };
        assert_int_equal(store_fetch_begin(to, &a, &config, &f.to), STORE_OK);
        assert_int_equal(feed_all(&f), FETCH_DONE);
        /* All chunks are alike here, so at least the three verified ones were not asked for. */
        assert_int_equal(f.chunks, 2);
        assert_int_equal(store_fetch_finish(f.to), STORE_OK);
        store_fetch_free(f.to);
        assert_true(store_has(to, &a));
        assert_int_equal(store_used(to), 5 * MIB + META);
        store_free(to);
        store_free(from);
}

enum { ANSWER_LEAVES = 2, ANSWER_CHUNK };

/* What is being fetched is published meanwhile: there is one of it, whatever comes of the fetch,
 * and nothing else. */
static void test_published_while_fetched(void **state) {
        static const struct {
                const char *name;
                unsigned publish_at, stop_after;
                bool is_demoted;
        } cases[] = {
                { "before the leaves; all comes", ANSWER_LEAVES, 100 },
                { "before the leaves; it stops", ANSWER_LEAVES, 2 },
                { "before a chunk; all comes", ANSWER_CHUNK, 100 },
                { "before a chunk; it stops", ANSWER_CHUNK, 2 },
                { "found damaged since; all comes", ANSWER_LEAVES, 100, true },
                { "found damaged since; it stops", ANSWER_CHUNK, 2, true },
        };
        struct budget memory;
        struct fetch_config config = { NSEC_PER_SEC, 1, &memory };
        struct store *from, *to;
        char other[80];
        struct hash_value a;

        budget_init(&memory, MIB, NULL);
        snprintf(other, sizeof(other), "%s/other", dir);
        assert_int_equal(store_open(other, 10 * MIB, &from), STORE_OK);
        a = put(from, 'x', 3 * MIB);
        FOREACH_CASE (c, cases) {
                bool is_done = c->stop_after > 3;
                struct feed f = { .from = from,
                                  .stop_after = c->stop_after,
                                  .len = 3 * MIB,
                                  .publish_at = c->publish_at };

                assert_int_equal(store_open(dir, 10 * MIB, &to), STORE_OK);
                f.there = to;
                assert_int_equal(store_fetch_begin(to, &a, &config, &f.to), STORE_OK);
                assert_int_equal(feed_all(&f), is_done ? FETCH_DONE : FETCH_NONE);
                assert_true(store_has(to, &a));
                store_unpin(to, &a); /* the client that published it */
                if (c->is_demoted)
                        assert_int_equal(store_demote(to, &a), STORE_OK);
                if (is_done)
                        assert_int_equal(store_fetch_finish(f.to),
                                         c->is_demoted ? STORE_E_NONE : STORE_OK);
                store_fetch_free(f.to);
                assert_int_equal(store_has(to, &a), !c->is_demoted);
                if (is_done && !c->is_demoted)
                        store_unpin(to, &a);
                assert_int_equal(store_count(to), 1);
                assert_int_equal(store_used(to), 3 * MIB + META);
                assert_int_equal(access(path_of(&a, "part"), F_OK), c->is_demoted ? 0 : -1);
                assert_int_equal(access(path_of(&a, "want"), F_OK), c->is_demoted ? 0 : -1);
                assert_int_equal(store_remove(to, &a), STORE_OK);
                assert_int_equal(store_used(to), 0);
                store_free(to);
        }
        store_free(from);
}

/* 8 chunks and a hole: a few chunks a call, and the hole costs none. */
static void test_check_goes_by_steps(void **state) {
        struct budget memory;
        struct fetch_config config = { NSEC_PER_SEC, 1, &memory };
        struct store_fetch *f;
        struct hash_value a;
        unsigned checks = 1;
        struct store *s;

        budget_init(&memory, MIB, NULL);
        assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
        a = put(s, 'a', 72 * MIB);
        s = store_free(s);
        assert_int_equal(rename(path_of(&a, "meta"), path_of(&a, "want")), 0);
        assert_int_equal(rename(path_of(&a, "data"), path_of(&a, "part")), 0);
        assert_int_equal(chmod(path_of(&a, "part"), 0644), 0);
        assert_int_equal(truncate(path_of(&a, "part"), 8 * MIB), 0);
        assert_int_equal(truncate(path_of(&a, "part"), 72 * (off_t) MIB), 0);
        assert_int_equal(store_open(dir, 100 * MIB, &s), STORE_OK);
        assert_int_equal(store_fetch_begin(s, &a, &config, &f), STORE_OK);
        while (store_fetch_check(f) == STORE_FETCH_MORE)
                checks++;
        assert_in_range(checks, 2, 8);
        store_fetch_free(f);
        store_free(s);
}

static struct store_keep keep_of(uint8_t flags, const char *label) {
        struct store_keep k = { .flags = flags, .time_us = 1234567 };

        strcpy(k.label, label);
        return k;
}

static void set_keep(struct store *s, const struct hash_value *root, uint8_t flags,
                     const char *label) {
        const struct store_keep k = keep_of(flags, label);

        assert_int_equal(store_set_keep(s, root, &k), STORE_OK);
}

struct seen {
        unsigned n, complete, partial, kept;
        struct hash_value last;
};

static bool see(void *userdata, const struct store_item *item) {
        struct seen *seen = userdata;

        seen->n++;
        seen->complete += item->is_complete;
        seen->partial += item->is_partial;
        seen->kept += item->keep.flags & STORE_KEEP_PINNED;
        seen->last = item->root;
        return true;
}

static void test_list_and_remove(void **state) {
        struct hash_value a, b, missing = { { 7 } };
        struct seen seen = {};
        struct store_keep k;
        struct store *s;

        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        a = put(s, 'a', MIB);
        b = put(s, 'b', MIB);
        store_unpin(s, &a);
        set_keep(s, &a, STORE_KEEP_PINNED | STORE_KEEP_ANNOUNCED, "a");
        set_keep(s, &missing, STORE_KEEP_PINNED, "gone");
        store_each(s, see, &seen);
        assert_int_equal(seen.n, 3);
        assert_int_equal(seen.complete, 2);
        assert_int_equal(seen.kept, 2);
        assert_true(hash_equal(&seen.last, &missing));

        assert_int_equal(store_remove(s, &b), STORE_E_BUSY);
        assert_int_equal(store_remove(s, &a), STORE_OK);
        assert_false(store_has(s, &a));
        assert_int_equal(store_used(s), MIB + META);
        /* Others are still to be told. */
        assert_true(store_keep_of(s, &a, &k));
        assert_int_equal(k.flags, STORE_KEEP_ANNOUNCED);
        assert_int_equal(store_remove(s, &a), STORE_E_NONE);
        assert_int_equal(store_remove(s, &missing), STORE_OK);
        assert_false(store_keep_of(s, &missing, &k));
        store_free(s);
}

/* By its finding key only what is announced is shown, and that only as long as it is. */
static void test_finding_key(void **state) {
        struct hash_value a, key;
        struct store *s;

        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        a = put(s, 'a', MIB);
        key = manifest_finding_key(&a);
        assert_true(has_manifest(s, &a));
        assert_false(has_manifest(s, &key));
        set_keep(s, &a, STORE_KEEP_PINNED, "");
        assert_false(has_manifest(s, &key));
        set_keep(s, &a, STORE_KEEP_PINNED | STORE_KEEP_ANNOUNCED, "");
        assert_true(has_manifest(s, &key));
        s = store_free(s);
        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        assert_true(has_manifest(s, &key));
        set_keep(s, &a, STORE_KEEP_PINNED, "");
        assert_false(has_manifest(s, &key));
        store_free(s);
}

static struct store_verify_count verify(struct store *s, const struct hash_value *root) {
        struct store_verify_count count;
        struct store_verify *v;
        int r;

        assert_int_equal(store_verify_begin(s, root, &v), STORE_OK);
        while ((r = store_verify_step(v)) == STORE_VERIFY_MORE)
                ;
        assert_int_equal(r, 0);
        store_verify_count(v, &count);
        store_verify_free(v);
        assert_int_equal(count.chunks, count.all);
        return count;
}

/* A wrong chunk is found, and fetched anew: it alone. */
static void test_verify_and_repair(void **state) {
        struct budget memory;
        struct fetch_config config = { NSEC_PER_SEC, 1, &memory };
        struct store_verify_count count;
        struct store_verify *none;
        struct hash_value a;
        struct store *s, *from;
        char other[80];
        struct feed f;
        FILE *file;

        budget_init(&memory, MIB, NULL);
        snprintf(other, sizeof(other), "%s/other", dir);
        assert_int_equal(store_open(other, 10 * MIB, &from), STORE_OK);
        (void) put(from, 'a', 5 * MIB + 9);
        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK);
        a = put(s, 'a', 5 * MIB + 9);
        set_keep(s, &a, STORE_KEEP_PINNED, "a");
        count = verify(s, &a);
        assert_int_equal(count.all, 6);
        assert_int_equal(count.bad, 0);

        assert_int_equal(chmod(path_of(&a, "data"), 0644), 0);
        file = fopen(path_of(&a, "data"), "r+");
        assert_non_null(file);
        assert_int_equal(fseek(file, 2 * MIB + 5, SEEK_SET), 0);
        assert_int_equal(fputc('b', file), 'b');
        fclose(file);
        count = verify(s, &a);
        assert_int_equal(count.bad, 1);
        assert_int_equal(count.first_bad, 2);

        assert_int_equal(store_demote(s, &a), STORE_E_BUSY); /* its client is there */
        store_unpin(s, &a);
        assert_int_equal(store_demote(s, &a), STORE_OK);
        assert_false(store_has(s, &a));
        assert_int_equal(store_used(s), 5 * MIB + STORE_BLOCK + META);
        s = store_free(s);
        assert_int_equal(store_open(dir, 10 * MIB, &s), STORE_OK); /* it is one of those */
        f = (struct feed){ .from = from, .stop_after = 100 };
        assert_int_equal(store_fetch_begin(s, &a, &config, &f.to), STORE_OK);
        assert_int_equal(feed_all(&f), FETCH_DONE);
        assert_int_equal(f.chunks, 1);
        assert_int_equal(store_fetch_finish(f.to), STORE_OK);
        store_fetch_free(f.to);
        assert_int_equal(verify(s, &a).bad, 0);
        assert_int_equal(store_verify_begin(s, &(struct hash_value){}, &none), STORE_E_NONE);
        store_free(s);
        store_free(from);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_list_and_remove, setup, teardown),
          cmocka_unit_test_setup_teardown(test_finding_key, setup, teardown),
          cmocka_unit_test_setup_teardown(test_verify_and_repair, setup, teardown),
          cmocka_unit_test_setup_teardown(test_survives_reopening, setup, teardown),
          cmocka_unit_test_setup_teardown(test_quota_evicts_only_what_is_unpinned, setup, teardown),
          cmocka_unit_test_setup_teardown(test_order_of_use_survives, setup, teardown),
          cmocka_unit_test_setup_teardown(test_leftovers_of_a_crash_go, setup, teardown),
          cmocka_unit_test_setup_teardown(test_naming_fails, setup, teardown),
          cmocka_unit_test_setup_teardown(test_upload_of_what_is_fetched_in_part, setup, teardown),
          cmocka_unit_test_setup_teardown(test_check_goes_by_steps, setup, teardown),
          cmocka_unit_test_setup_teardown(test_published_while_fetched, setup, teardown),
          cmocka_unit_test_setup_teardown(test_fetch_resumes, setup, teardown))
