#include "services/dht/mailbox.h"
#include "services/dht/region.h"
#include "tests/unit/dht/record_server.h"

/* What a node says about the records near another. Nobody else is known to it here: then all
 * within the radius is the asker's, and nothing beyond. */

#define BITS 4

static const uint8_t root[32] = { 7 };

static struct dht_remote server_at(const struct person *p) {
        struct dht_remote r = remote_at(p, 0);

        r.is_server = true;
        return r;
}

/* With the two numbers that are told apart: of a record and its version. */
static void store_name(struct server *s, uint32_t person, uint64_t sequence) {
        struct person p = person_no(person);
        struct record_statement statement =
                statement_by(&p, RECORD_NAME, BYTES_LIT("sales"), BYTES_OF(root));

        statement.sequence = sequence;
        record_put_store(&s->message, name_for(&s->name, RECORD_NAME, &p.peer, BYTES_LIT("sales")),
                         sign_record(&s->value, &p, &statement));
        assert_int_equal(server_ask(s, &(struct dht_remote){ .contact.peer = p.peer })->result,
                         RECORD__RESULT__RESULT_OK);
}

static struct key key_of_name(uint32_t person) {
        CLEANUP(buffer_donep) struct buffer name = {};
        struct person p = person_no(person);

        buffer_init(&name, RECORD_NAME_MAX);
        return key_of(name_for(&name, RECORD_NAME, &p.peer, BYTES_LIT("sales")));
}

static void ask_region(struct server *s, const struct dht_remote *from, struct bytes after) {
        record_put_region(&s->message, after);
        (void) server_ask(s, from);
}

static void ask_for(struct server *s, const struct dht_remote *from, uint64_t key,
                    uint64_t version) {
        uint8_t wanted[RECORD_WANTED];

        store_be64(wanted, key);
        store_be64(wanted + 8, version);
        record_put_fetch(&s->message, BYTES_OF(wanted));
        (void) server_ask(s, from);
}

static struct region_entry entry_at(const struct server *s, size_t i) {
        assert_true((i + 1) * RECORD_ENTRY <= s->last.in->held.len);
        return region_entry_read(s->last.in->held.data + i * RECORD_ENTRY);
}

static void only_the_near_is_listed(void **state) {
        struct server *s = server_new(BITS);
        struct person asker = person_no(1000);
        struct dht_remote from = server_at(&asker);
        size_t n_near = 0, n_listed;

        s->serve.radius = 0.1;
        for (uint32_t i = 0; i < 100; i++) {
                struct key key = key_of_name(i);

                store_name(s, i, 5 + i);
                n_near += key_distance(&from.contact.key, &key) <= REGION_SLACK * 0.1;
        }
        ask_region(s, &from, BYTES_NONE);
        n_listed = s->last.in->held.len / RECORD_ENTRY;
        assert_in_range(n_near, 5, 60); /* some, not all */
        assert_int_equal(n_listed, n_near);
        for (size_t i = 1; i < n_listed; i++)
                assert_true(entry_at(s, i - 1).key < entry_at(s, i).key);
        for (uint32_t i = 0; i < 100; i++) {
                struct key key = key_of_name(i);
                bool is_near = key_distance(&from.contact.key, &key) <= REGION_SLACK * 0.1;

                ask_for(s, &from, key_prefix(&key), 5 + i);
                assert_int_equal(s->last.in->n_stores, is_near);
                if (is_near)
                        assert_true(key_equal(&key, &(struct key[]){ key_of(record_bytes(
                                                            s->last.in->stores[0]->name)) }[0]));
        }
        from.is_server = false; /* a client keeps nothing */
        ask_region(s, &from, BYTES_NONE);
        assert_int_equal(s->last.in->held.len, 0);
        from.is_server = true;
        s->serve.radius = 0; /* we do not know our region: nothing is said */
        ask_region(s, &from, BYTES_NONE);
        assert_int_equal(s->last.in->held.len, 0);
        server_free(s);
}

static void entries_tell_versions_apart(void **state) {
        const struct region_entry held = { .key = 1, .version = 7, .minute = 100 };
        const struct region_entry letter = { .key = 1, .version = 7, .is_letter = true };
        struct server *s = server_new(BITS);
        struct person asker = person_no(1000);
        struct dht_remote from = server_at(&asker);
        struct region_entry e;

        s->serve.radius = 1;
        store_name(s, 1, 41);
        ask_region(s, &from, BYTES_NONE);
        e = entry_at(s, 0);
        assert_int_equal(e.version, 41);
        assert_int_equal(e.minute, NOW / (60 * SECOND) + 48 * 60);
        assert_false(region_is_newer(&held, &held));
        assert_true(region_is_newer(&(struct region_entry){ 1, 8, 50 }, &held));
        assert_false(region_is_newer(&(struct region_entry){ 1, 6, 200 }, &held));
        assert_true(region_is_newer(&(struct region_entry){ 1, 7, 101 }, &held)); /* dated anew */
        assert_true(region_is_newer(&(struct region_entry){ 1, 6, 0 }, &letter)); /* another one */
        assert_false(region_is_newer(&(struct region_entry){ 1, 7, 0 }, &letter));
        server_free(s);
}

static void announcements_are_not_listed(void **state) {
        struct server *s = server_new(BITS);
        struct person p = person_no(3), asker = person_no(1000);
        struct dht_remote from = server_at(&asker);
        struct record_statement topic =
                statement_by(&p, RECORD_TOPIC, BYTES_LIT("chess"), BYTES_LIT("here"));

        s->serve.radius = 1;
        record_put_store(&s->message, name_for(&s->name, RECORD_TOPIC, NULL, BYTES_LIT("chess")),
                         sign_record(&s->value, &p, &topic));
        assert_int_equal(server_ask(s, &from)->result, RECORD__RESULT__RESULT_OK);
        ask_region(s, &from, BYTES_NONE);
        assert_int_equal(s->last.in->held.len, 0);
        server_free(s);
}

/* Many letters stand under one key: each is asked for by its own number. */
static void letters_are_fetched_one_by_one(void **state) {
        struct server *s = server_new(BITS);
        struct person to = person_no(9), asker = person_no(1000);
        struct dht_remote from = server_at(&asker);
        struct bytes name;

        s->serve.radius = 1;
        name = name_for(&s->name, RECORD_MAILBOX, &to.peer, BYTES_NONE);
        for (uint32_t i = 0; i < 3; i++) {
                const uint8_t text[] = { 'a', (uint8_t) i };
                struct letter l = { .recipient = to.peer,
                                    .sealed = BYTES_OF(text),
                                    .hour = (uint32_t) (NOW / HOUR) };

                assert_true(letter_mine(&l, BITS, 1 << 16));
                buffer_clear(&s->value);
                letter_put(&s->value, &l);
                record_put_store(&s->message, name, buffer_bytes(&s->value));
                assert_int_equal(server_ask(s, &from)->result, RECORD__RESULT__RESULT_OK);
        }
        ask_region(s, &from, BYTES_NONE);
        assert_int_equal(s->last.in->held.len, 3 * RECORD_ENTRY);
        for (size_t i = 0; i < 3; i++) {
                struct region_entry e = entry_at(s, i);
                uint8_t slot[32];

                ask_for(s, &from, e.key, e.version);
                assert_int_equal(s->last.in->n_stores, 1);
                letter_slot(record_bytes(s->last.in->stores[0]->value), slot);
                assert_int_equal(load_be64(slot), e.version);
                ask_region(s, &from, BYTES_NONE);
        }
        server_free(s);
}

static bool count_one(void *userdata, const struct stored_record *r) {
        *(size_t *) userdata += 1;
        return true;
}

/* More than one page holds: no entry is left out, none comes twice. */
static void pages_join(void **state) {
        enum { N = RECORD_ENTRIES_MAX + 300 };
        struct server *s = server_new(BITS);
        struct person asker = person_no(1000);
        struct dht_remote from = server_at(&asker);
        uint8_t after[KEY_SIZE];
        uint64_t last = 0;
        size_t n = 0, n_pages = 0;

        s->serve.radius = 1;
        for (uint32_t i = 0; i < N; i++) {
                uint8_t id[4];
                struct stored_record r = { .kind = RECORD_NAME,
                                           .name = BYTES_OF(id),
                                           .value = BYTES_OF(id),
                                           .expires_us = NOW + HOUR };

                store_be32(id, i);
                r.key = key_of(r.name);
                assert_int_equal(s->store.ops->put(s->store.self, &r), STORE_OK);
        }
        region_walk(&s->store, &from.contact.key, 1, NULL, count_one, &n);
        assert_int_equal(n, N);
        n = 0;
        do {
                ask_region(s, &from, n_pages ? BYTES_OF(after) : BYTES_NONE);
                for (size_t i = 0; i < s->last.in->held.len / RECORD_ENTRY; i++, n++) {
                        assert_true(n == 0 || entry_at(s, i).key > last);
                        last = entry_at(s, i).key;
                }
                n_pages++;
                if (s->last.in->next.len)
                        memcpy(after, s->last.in->next.data, KEY_SIZE);
        } while (s->last.in->next.len);
        assert_int_equal(n, N);
        assert_int_equal(n_pages, 2);
        server_free(s);
}

static void check_walk(struct buffer *message, bool is_walk) {
        assert_int_equal(record_is_walk(buffer_bytes(message)), is_walk);
        buffer_clear(message);
}

/* Told apart before anything is unpacked, and whatever is put in front of it. */
static void walks_are_told_apart(void **state) {
        static const uint8_t slots[1][32];
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, RECORD_MESSAGE_MAX);
        record_put_store(&b, BYTES_LIT("/topic/x"), BYTES_LIT("8"));
        check_walk(&b, false);
        record_put_find(&b, BYTES_LIT("/topic/x"), BYTES_NONE, 2);
        check_walk(&b, false);
        record_put_list(&b, BYTES_NONE, 2);
        check_walk(&b, false);
        record_put_delete(&b, BYTES_LIT("tombstone"));
        check_walk(&b, false);
        record_put_status(&b, BYTES_LIT("peer"), slots, 1);
        check_walk(&b, false);
        record_put_region(&b, BYTES_NONE);
        check_walk(&b, true);
        record_put_fetch(&b, BYTES(slots[0], RECORD_WANTED));
        check_walk(&b, true);
        record_put_list(&b, BYTES_NONE, 2); /* of several the last one counts */
        record_put_region(&b, BYTES_NONE);
        check_walk(&b, true);
        buffer_put_bytes(&b, BYTES_LIT("\xc0\x3e\x05")); /* an unknown field: 1000 = 5 */
        record_put_region(&b, BYTES_NONE);
        check_walk(&b, true);
        buffer_put_bytes(&b, BYTES_LIT("\xc1\x3e"));
        record_put_region(&b, BYTES_NONE);
        check_walk(&b, true);
        check_walk(&b, false);
}

static void malformed_questions_are_refused(void **state) {
        struct server *s = server_new(BITS);
        struct person asker = person_no(1000);
        struct dht_remote from = server_at(&asker);
        static const uint8_t bytes[(RECORD_PAGE_MAX + 1) * RECORD_WANTED];
        const size_t bad[] = { 0, 15, 17, sizeof(bytes) };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                buffer_clear(&s->message);
                record_put_fetch(&s->message, BYTES(bytes, bad[i]));
                assert_false(record_serve(&s->serve, &from, buffer_bytes(&s->message), &s->reply));
        }
        buffer_clear(&s->message);
        record_put_region(&s->message, BYTES(bytes, 31));
        assert_false(record_serve(&s->serve, &from, buffer_bytes(&s->message), &s->reply));
        server_free(s);
}

/* Much that is not the asker's costs a page no more than a bound of rows; it goes on behind them.
 */
static void a_page_looks_at_so_many_rows(void **state) {
        struct server *s = server_new(BITS);
        struct person asker = person_no(1000);
        struct dht_remote from = server_at(&asker);
        uint8_t next[KEY_SIZE];
        unsigned n_pages = 1;

        s->serve.radius = 0.5; /* all of the store is walked */
        for (uint32_t i = 0; i < 2500; i++) {
                struct stored_record r = { .kind = RECORD_TOPIC, .expires_us = INT64_MAX };
                uint8_t label[8];

                store_be64(label, i);
                r.key = key_of(BYTES_OF(label));
                memcpy(r.slot, r.key.bytes, sizeof(r.slot));
                r.name = r.value = BYTES_OF(label);
                assert_int_equal(s->store.ops->put(s->store.self, &r), STORE_OK);
        }
        ask_region(s, &from, BYTES_NONE);
        while (s->last.in->next.len == KEY_SIZE && n_pages < 9) {
                assert_int_equal(s->last.in->held.len, 0);
                memcpy(next, s->last.in->next.data, KEY_SIZE);
                ask_region(s, &from, BYTES_OF(next));
                n_pages++;
        }
        assert_int_equal(n_pages, 2);
        server_free(s);
}

TEST_MAIN(cmocka_unit_test(a_page_looks_at_so_many_rows), cmocka_unit_test(only_the_near_is_listed),
          cmocka_unit_test(entries_tell_versions_apart),
          cmocka_unit_test(announcements_are_not_listed),
          cmocka_unit_test(letters_are_fetched_one_by_one), cmocka_unit_test(pages_join),
          cmocka_unit_test(walks_are_told_apart), cmocka_unit_test(malformed_questions_are_refused))
