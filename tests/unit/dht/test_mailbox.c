#include "services/dht/mailbox.h"
#include "tests/unit/dht/record_server.h"
#include "tests/unit/dht/vectors/vectors.h"

#define BITS 8 /* of work, in these tests; the vector has 12 */

static int setup(void **state) {
        *state = server_new(BITS);
        return 0;
}

static int teardown(void **state) {
        server_free(*state);
        return 0;
}

static struct bytes mailbox_of(struct server *s, const struct person *p) {
        return name_for(&s->name, RECORD_MAILBOX, &p->peer, BYTES_NONE);
}

/* A letter number n to p, in s->value. */
static struct bytes letter_to(struct server *s, const struct person *p, uint32_t n, size_t len) {
        static uint8_t sealed[MAILBOX_LETTER_MAX];
        struct letter l = { .recipient = p->peer,
                            .hour = (uint32_t) (NOW / HOUR),
                            .sealed = BYTES(sealed, len) };

        store_be32(sealed, n);
        assert_true(letter_mine(&l, BITS, 1 << 20));
        buffer_clear(&s->value);
        letter_put(&s->value, &l);
        return buffer_bytes(&s->value);
}

static Record__Result send(struct server *s, uint32_t sender, uint16_t net, const struct person *to,
                           uint32_t n) {
        struct person p = person_no(sender);
        struct dht_remote from = remote_at(&p, net);
        struct bytes letter = letter_to(s, to, n, 100);

        record_put_store(&s->message, mailbox_of(s, to), letter);
        return server_ask(s, &from)->result;
}

static size_t list(struct server *s, const struct person *who) {
        struct dht_remote from = remote_at(who, 0);
        uint8_t after[32];
        size_t n = 0;
        bool more = false;

        do {
                const Record__Reply *reply;

                record_put_list(&s->message, BYTES(after, more ? 32 : 0), 0);
                reply = server_ask(s, &from);
                assert_int_equal(reply->result, RECORD__RESULT__RESULT_OK);
                n += reply->n_values;
                more = reply->next.len == 32;
                if (more)
                        memcpy(after, reply->next.data, 32);
        } while (more);
        return n;
}

/* ---- letters ---- */

static void the_vector_has_its_work(void **state) {
        struct server *s = *state;
        struct letter l, other;
        uint8_t slot[32], want[32];

        (void) unhex(&s->value, record_vectors[5].value);
        assert_true(letter_read(buffer_bytes(&s->value), &l));
        assert_true(letter_work(&l) >= 12);
        letter_slot(buffer_bytes(&s->value), slot);
        assert_true(hex_decode(record_vectors[5].slot, want, sizeof(want)));
        assert_memory_equal(slot, want, sizeof(want));
        /* the work is for this recipient, this hour, this box: else it would be about none */
        other = l;
        other.hour++;
        assert_true(letter_work(&other) != letter_work(&l) || letter_work(&other) < 12);
        other = l;
        other.recipient = person_no(9).peer;
        assert_true(letter_work(&other) < 12);
        other = l;
        other.sealed.len--;
        assert_true(letter_work(&other) < 12);
}

static void times_and_work(void **state) {
        struct server *s = *state;
        struct person p = person_no(1);
        struct letter l;

        assert_true(letter_read(letter_to(s, &p, 1, 10), &l));
        assert_null(letter_check(&l, BITS, NOW));
        assert_null(letter_check(&l, BITS, NOW - HOUR));
        assert_string_equal(letter_check(&l, BITS, NOW - 2 * HOUR), "a letter from the future");
        assert_null(letter_check(&l, BITS, letter_expires_us(&l) - 1));
        assert_string_equal(letter_check(&l, BITS, letter_expires_us(&l)),
                            "a letter that is too old");
        assert_string_equal(letter_check(&l, 200, NOW), "a letter without its proof of work");
        l.nonce = 0;
        assert_false(letter_mine(&l, 200, 10));
        assert_int_equal(l.nonce, 10); /* where to go on */
}

static void a_letter_has_a_size(void **state) {
        struct server *s = *state;
        struct person p = person_no(1), sender = person_no(2);
        struct dht_remote from = remote_at(&sender, 0);
        static const uint8_t much[MAILBOX_LETTER_MAX];
        size_t head = 1 + 1 + 38 + 4 + 8;
        struct bytes letter = letter_to(s, &p, 1, MAILBOX_LETTER_MAX - head);

        record_put_store(&s->message, mailbox_of(s, &p), letter);
        assert_int_equal(server_ask(s, &from)->result, RECORD__RESULT__RESULT_OK);
        (void) letter_to(s, &p, 2, MAILBOX_LETTER_MAX - head + 1);
        assert_true(s->value.failed);
        assert_int_equal(list(s, &p), 1);
        assert_true(letter_fits(&(struct letter){
                .recipient = p.peer, .sealed = BYTES(much, MAILBOX_LETTER_MAX - head) }));
        assert_false(letter_fits(&(struct letter){
                .recipient = p.peer, .sealed = BYTES(much, MAILBOX_LETTER_MAX - head + 1) }));
        assert_false(letter_fits(&(struct letter){ .recipient = p.peer }));
}

/* ---- quotas ---- */

static void a_sender_has_four_places(void **state) {
        struct server *s = *state;
        struct person p = person_no(1), q = person_no(3);

        for (uint32_t n = 0; n < 4; n++)
                assert_int_equal(send(s, 2, 0, &p, n), RECORD__RESULT__RESULT_OK);
        assert_int_equal(send(s, 2, 0, &p, 0), RECORD__RESULT__RESULT_OK); /* the same again */
        assert_int_equal(send(s, 2, 0, &p, 4), RECORD__RESULT__RESULT_REFUSED);
        assert_int_equal(send(s, 2, 0, &q, 4), RECORD__RESULT__RESULT_OK);
        assert_int_equal(list(s, &p), 4);
}

static void a_mailbox_has_64(void **state) {
        struct server *s = *state;
        struct person p = person_no(1);
        size_t n_ok = 0;

        for (uint32_t n = 0; n < 80; n++)
                n_ok += send(s, 100 + n, (uint16_t) (1 + n), &p, n) == RECORD__RESULT__RESULT_OK;
        assert_int_equal(n_ok, 64); /* each alone of his subnet: nobody gives way */
        assert_int_equal(list(s, &p), 64);
}

/* A3 for mailboxes: few subnets with many identities do not keep others out. */
static void a_mailbox_is_not_filled_by_one(void **state) {
        struct server *s = *state;
        struct person p = person_no(1);

        for (uint32_t n = 0; n < 200; n++)
                (void) send(s, 1000 + n, (uint16_t) (1 + n % 4), &p, n);
        assert_int_equal(list(s, &p), 64);
        for (uint32_t n = 0; n < 30; n++)
                assert_int_equal(send(s, 100 + n, (uint16_t) (100 + n), &p, 1000 + n),
                                 RECORD__RESULT__RESULT_OK);
        assert_int_equal(list(s, &p), 64);
}

/* ---- reading ---- */

static void only_the_recipient_lists(void **state) {
        struct server *s = *state;
        struct person p = person_no(1), other = person_no(2);

        assert_int_equal(send(s, 2, 0, &p, 1), RECORD__RESULT__RESULT_OK);
        assert_int_equal(list(s, &p), 1);
        assert_int_equal(list(s, &other), 0);
}

static void large_letters_come_page_by_page(void **state) {
        struct server *s = *state;
        struct person p = person_no(1);

        for (uint32_t n = 0; n < 10; n++) {
                struct person sender = person_no(100 + n);
                struct dht_remote from = remote_at(&sender, 0);
                struct bytes letter = letter_to(s, &p, n, 16000);

                record_put_store(&s->message, mailbox_of(s, &p), letter);
                assert_int_equal(server_ask(s, &from)->result, RECORD__RESULT__RESULT_OK);
        }
        assert_int_equal(list(s, &p), 10);
}

static Record__Result forget(struct server *s, const struct person *by, struct bytes slots) {
        struct record_statement t = statement_by(by, RECORD_TOMBSTONE, BYTES_NONE, slots);
        struct dht_remote from = remote_at(by, 0);

        (void) sign_record(&s->value, by, &t);
        record_put_delete(&s->message, buffer_bytes(&s->value));
        return server_ask(s, &from)->result;
}

static const Record__SlotState *status(struct server *s, const struct person *of,
                                       const uint8_t slot[32]) {
        struct person asker = person_no(77);
        struct dht_remote from = remote_at(&asker, 0);
        uint8_t slots[1][32];
        const Record__Reply *reply;

        memcpy(slots[0], slot, 32);
        record_put_status(&s->message, peer_id_bytes(&of->peer), slots, 1);
        reply = server_ask(s, &from);
        assert_int_equal(reply->n_states, 1);
        return reply->states[0];
}

/* The tombstone deletes, stays, keeps the letter from coming again, and is the receipt. */
static void tombstones(void **state) {
        struct server *s = *state;
        struct person p = person_no(1), thief = person_no(2);
        struct record_parts receipt;
        uint8_t slot[32];

        assert_int_equal(send(s, 3, 0, &p, 1), RECORD__RESULT__RESULT_OK);
        letter_slot(letter_to(s, &p, 1, 100), slot);
        assert_true(status(s, &p, slot)->held);
        assert_int_equal(status(s, &p, slot)->tombstone.len, 0);

        assert_int_equal(forget(s, &thief, BYTES_OF(slot)), RECORD__RESULT__RESULT_OK);
        assert_int_equal(list(s, &p), 1); /* of his own mailbox he may delete what he likes */
        assert_int_equal(forget(s, &p, BYTES_OF(slot)), RECORD__RESULT__RESULT_OK);
        assert_int_equal(list(s, &p), 0);
        assert_int_equal(send(s, 3, 0, &p, 1), RECORD__RESULT__RESULT_READ);
        assert_int_equal(list(s, &p), 0);
        assert_false(status(s, &p, slot)->held);
        assert_int_equal(record_split(record_bytes(status(s, &p, slot)->tombstone), &receipt),
                         RECORD_OK);
        assert_true(record_verify(&receipt));
        assert_true(peer_id_equal(&receipt.fields.publisher, &p.peer));
        assert_bytes_equal(receipt.fields.payload, BYTES_OF(slot));

        (void) unhex(&s->value, tombstone_vector); /* of the independent program */
        record_put_delete(&s->message, buffer_bytes(&s->value));
        assert_int_equal(server_ask(s, &(struct dht_remote){})->result, RECORD__RESULT__RESULT_OK);
        s->value.data[s->value.len - 1] ^= 1;
        record_put_delete(&s->message, buffer_bytes(&s->value));
        assert_int_equal(server_ask(s, &(struct dht_remote){})->result,
                         RECORD__RESULT__RESULT_INVALID);
        (void) s->store.ops->expire(s->store.self, NOW + 49 * HOUR, 100);
        assert_int_equal(status(s, &p, slot)->tombstone.len,
                         0); /* gone when it cannot come again */
}

/* Tombstones of letters that are not there leave nothing behind. */
static void tombstones_cost_a_letter(void **state) {
        struct server *s = *state;
        struct person p = person_no(1);
        struct store_counts counts;
        uint8_t slots[8][32];

        for (uint8_t i = 0; i < 100; i++) {
                memset(slots, i, sizeof(slots));
                assert_int_equal(forget(s, &p, BYTES_OF(slots)), RECORD__RESULT__RESULT_OK);
        }
        s->store.ops->counts(s->store.self, &counts);
        assert_int_equal(counts.records, 0);
}

/* Four letters a time, of one sender at a time in one /24, which their recipients read at once. */
static void send_and_read(struct server *s, uint32_t sender, uint32_t n_mailboxes) {
        for (uint32_t m = 0; m < n_mailboxes; m++) {
                struct person to = person_no(10 * sender + m);

                for (uint32_t round = 0; round < 64; round++) {
                        uint8_t slots[4][32];

                        for (uint32_t i = 0; i < 4; i++) {
                                (void) send(s, sender, 7, &to, (sender + m) * 1000 + round * 4 + i);
                                letter_slot(buffer_bytes(&s->value), slots[i]);
                        }
                        (void) forget(s, &to, BYTES_OF(slots));
                }
        }
}

/* What stays of letters that were read is its sender's to answer for, and its subnet's; and the
 * sender is not kept from writing by people who read. */
static void what_was_read_is_charged(void **state) {
        struct server *s = *state;
        struct person p = person_no(1), sender = person_no(300);
        struct dht_remote from = remote_at(&sender, 7);
        struct subnet net = subnet_counted(&from.endpoint);
        struct store_counts counts;

        send_and_read(s, 300, 4);
        s->store.ops->counts(s->store.self, &counts);
        assert_int_equal(counts.records, record_rule_of(RECORD_TOMBSTONE)->per_publisher);
        assert_int_equal(s->store.ops->count_subnet(s->store.self, &net), counts.records);
        assert_int_equal(send(s, 300, 7, &p, 1), RECORD__RESULT__RESULT_OK);
        send_and_read(s, 301, 4);
        assert_int_equal(send(s, 302, 7, &p, 2), RECORD__RESULT__RESULT_REFUSED);
        assert_int_equal(s->store.ops->count_subnet(s->store.self, &net), 1024);
        assert_int_equal(send(s, 303, 8, &p, 3), RECORD__RESULT__RESULT_OK);
        (void) s->store.ops->expire(s->store.self, NOW + 49 * HOUR, 2000);
        assert_int_equal(s->store.ops->count_subnet(s->store.self, &net), 0);
        contact_done(&from.contact);
}

/* A sender is among those who keep its letters: what is left of one there expires as elsewhere. */
static void our_own_letters_are_buried_too(void **state) {
        struct server *s = *state;
        struct person p = person_no(1);
        struct store_counts counts;
        struct stored_record r;
        uint8_t slot[32];

        assert_null(rules_validate(s->rules, mailbox_of(s, &p), letter_to(s, &p, 1, 100), NOW, &r));
        r.class = STORE_OWN;
        assert_int_equal(s->store.ops->put(s->store.self, &r), STORE_OK);
        memcpy(slot, r.slot, sizeof(slot));
        assert_int_equal(forget(s, &p, BYTES_OF(slot)), RECORD__RESULT__RESULT_OK);
        assert_true(status(s, &p, slot)->tombstone.len > 0);
        (void) s->store.ops->expire(s->store.self, NOW + 49 * HOUR, 100);
        s->store.ops->counts(s->store.self, &counts);
        assert_int_equal(counts.records, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

TEST_MAIN(TEST(the_vector_has_its_work), TEST(times_and_work), TEST(a_letter_has_a_size),
          TEST(a_sender_has_four_places), TEST(a_mailbox_has_64),
          TEST(a_mailbox_is_not_filled_by_one), TEST(only_the_recipient_lists),
          TEST(large_letters_come_page_by_page), TEST(tombstones), TEST(tombstones_cost_a_letter),
          TEST(what_was_read_is_charged), TEST(our_own_letters_are_buried_too))
