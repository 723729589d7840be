/* A denied peer's records: one node, its only neighbour, and what a third one published. */
#include "common/canonical/keychange.h"
#include "services/dht/message.h"
#include "services/dht/record_messages.h"
#include "services/dht/store_memory.h"
#include "tests/unit/dht/server.h"

static const uint8_t root[32] = { 7 };

struct bench {
        struct person bad, good;
        struct store store;
        struct dht *dht;
        struct keeper *keeper;
        struct dht_remote neighbours[2];
        nsec_t now;
        struct buffer name, value, message;
        const char *refusal;
        /* What the neighbours have. */
        struct buffer shown[2];
        size_t n_shown;
        bool denies_at_page; /* the bad one, when a neighbour was heard */
        /* What a call of ours came to. */
        size_t n_results, n_found;
        bool has_found_bad;
        uint64_t code;
        const char *text;
        bool is_done;
};

static void deny(struct bench *b, bool denied) {
        dht_deny(b->dht, &b->bad.peer, denied, b->now);
}

/* ---- what neighbours answer ---- */

static void answer_kad(struct bench *b, struct buffer *out, const struct dht_action *ask) {
        CLEANUP(kad_message_donep) struct kad_message in = {};
        struct kad_parts parts = {};

        assert_int_equal(kad_message_read(refbuf_bytes(ask->data), &in), KAD_OK);
        parts.type = in.type;
        parts.key = in.key;
        if (in.type == KAD_GET_VALUE && b->n_shown > 0) {
                parts.has_record = true;
                parts.record_key = in.key;
                parts.value = buffer_bytes(&b->shown[0]);
        }
        kad_message_put(out, &parts);
}

static void answer_page(struct bench *b, struct buffer *out) {
        Record__Reply reply = RECORD__REPLY__INIT;
        ProtobufCBinaryData values[2];

        for (size_t i = 0; i < b->n_shown; i++)
                values[i] = record_binary(buffer_bytes(&b->shown[i]));
        reply.values = values;
        reply.n_values = b->n_shown;
        wire_pack(out, &reply.base);
}

static void answer(struct bench *b, const struct dht_action *ask) {
        CLEANUP(buffer_donep) struct buffer out = {};

        buffer_init(&out, KAD_MESSAGE_MAX);
        if (ask->protocol == DHT_PROTOCOL_KAD)
                answer_kad(b, &out, ask);
        else
                answer_page(b, &out);
        for (size_t i = 0; i < ELEMENTSOF(b->neighbours); i++)
                if (key_equal(&ask->contact.key, &b->neighbours[i].contact.key))
                        dht_answered(b->dht, ask->id, &b->neighbours[i], buffer_bytes(&out),
                                     b->now);
        if (ask->protocol == DHT_PROTOCOL_RECORD && b->denies_at_page)
                deny(b, true);
}

static void play(struct bench *b) {
        struct dht_action a;

        while (dht_output(b->dht, &a)) {
                if (a.type == DHT_ASK)
                        answer(b, &a);
                if (a.type == DHT_REFUSE)
                        b->refusal = a.event.text;
                b->n_results += a.type == DHT_RESULT;
                if (a.type == DHT_DONE) {
                        b->is_done = true;
                        b->code = a.n;
                        b->text = a.event.text;
                }
                dht_action_done(&a);
        }
}

static int setup(void **state) {
        struct bench *b = xnew(struct bench);

        b->bad = person_no(4);
        b->good = person_no(5);
        b->now = NSEC_PER_SEC;
        b->store = store_memory_new(&store_limits_default, 1);
        buffer_init(&b->name, RECORD_NAME_MAX);
        buffer_init(&b->value, RECORD_BYTES_MAX);
        buffer_init(&b->message, KAD_MESSAGE_MAX);
        for (size_t i = 0; i < ELEMENTSOF(b->shown); i++)
                buffer_init(&b->shown[i], RECORD_BYTES_MAX);
        b->dht = server_start(&b->store, b->now, &b->keeper);
        for (uint32_t i = 0; i < ELEMENTSOF(b->neighbours); i++) {
                b->neighbours[i] = remote_of(2 + i);
                dht_peer_identified(b->dht, &b->neighbours[i], b->now);
        }
        play(b);
        *state = b;
        return 0;
}

static int teardown(void **state) {
        struct bench *b = *state;

        dht_free(b->dht);
        keeper_free(b->keeper);
        store_memory_free(&b->store);
        for (size_t i = 0; i < ELEMENTSOF(b->neighbours); i++)
                contact_done(&b->neighbours[i].contact);
        for (size_t i = 0; i < ELEMENTSOF(b->shown); i++)
                buffer_done(&b->shown[i]);
        buffer_done(&b->name);
        buffer_done(&b->value);
        buffer_done(&b->message);
        free(b);
        return 0;
}

/* ---- what a neighbour asks of us ---- */

static struct refbuf *request(struct bench *b, enum dht_protocol protocol, struct bytes message) {
        struct refbuf *data = NULL;
        struct dht_action a;

        b->refusal = NULL;
        dht_request(b->dht, 77, &b->neighbours[0], protocol, message, b->now);
        while (dht_output(b->dht, &a)) {
                if (a.type == DHT_ANSWER && a.data)
                        data = refbuf_ref(a.data);
                if (a.type == DHT_REFUSE)
                        b->refusal = a.event.text;
                dht_action_done(&a);
        }
        return data;
}

/* PUT_VALUE of what stands in b->value under b->name; false: refused. */
static bool put(struct bench *b) {
        struct bytes name = buffer_bytes(&b->name);
        struct kad_parts parts = { .type = KAD_PUT_VALUE,
                                   .key = name,
                                   .has_record = true,
                                   .record_key = name,
                                   .value = buffer_bytes(&b->value) };
        struct refbuf *message = kad_message_new(&parts), *answer;

        answer = request(b, DHT_PROTOCOL_KAD, refbuf_bytes(message));
        refbuf_unref(message);
        refbuf_unref(answer);
        return answer != NULL;
}

/* Whether GET_VALUE of b->name is answered with one. */
static bool is_served(struct bench *b) {
        struct kad_parts parts = { .type = KAD_GET_VALUE, .key = buffer_bytes(&b->name) };
        CLEANUP(kad_message_donep) struct kad_message m = {};
        struct refbuf *message = kad_message_new(&parts), *answer;
        bool has;

        answer = request(b, DHT_PROTOCOL_KAD, refbuf_bytes(message));
        refbuf_unref(message);
        assert_non_null(answer);
        assert_int_equal(kad_message_read(refbuf_bytes(answer), &m), KAD_OK);
        has = m.has_record;
        refbuf_unref(answer);
        return has;
}

/* What stands in b->message, answered; values and bytes of the list. */
static int ask_records(struct bench *b, size_t *ret_n, size_t *ret_held) {
        CLEANUP(record_reply_donep) struct record_reply reply = {};
        CLEANUP(refbuf_unrefp) struct refbuf *answer = NULL;

        answer = request(b, DHT_PROTOCOL_RECORD, buffer_bytes(&b->message));
        buffer_clear(&b->message);
        assert_non_null(answer);
        assert_true(record_reply_read(refbuf_bytes(answer), &reply));
        *ret_n = reply.in->n_values;
        *ret_held = reply.in->held.len / RECORD_ENTRY;
        return (int) reply.in->result;
}

static void write_name(struct bench *b, uint64_t sequence) {
        struct record_statement s =
                statement_by(&b->bad, RECORD_NAME, BYTES_LIT("sales"), BYTES_OF(root));

        s.sequence = sequence;
        (void) name_for(&b->name, RECORD_NAME, &b->bad.peer, BYTES_LIT("sales"));
        (void) sign_record(&b->value, &b->bad, &s);
}

static void write_topic(struct bench *b, struct buffer *to, const struct person *p) {
        struct record_statement s =
                statement_by(p, RECORD_TOPIC, BYTES_LIT("chess"), BYTES_LIT("here"));

        (void) name_for(&b->name, RECORD_TOPIC, NULL, BYTES_LIT("chess"));
        (void) sign_record(to, p, &s);
}

static size_t n_listed(struct bench *b) {
        size_t n, held;

        record_put_region(&b->message, BYTES_NONE);
        assert_int_equal(ask_records(b, &n, &held), RECORD__RESULT__RESULT_OK);
        return held;
}

static void values_are_neither_taken_nor_served(void **state) {
        struct bench *b = *state;

        write_name(b, 1);
        assert_true(put(b));
        assert_true(is_served(b));
        assert_int_equal(n_listed(b), 1);
        deny(b, true);
        assert_false(is_served(b));
        assert_int_equal(n_listed(b), 0);
        write_name(b, 2);
        assert_false(put(b));
        assert_string_equal(b->refusal, "its publisher is on the deny list");
        deny(b, false);
        assert_true(is_served(b));
        assert_int_equal(n_listed(b), 1);
        assert_true(put(b));
}

static int store_topic(struct bench *b, const struct person *p) {
        size_t n, held;

        write_topic(b, &b->value, p);
        record_put_store(&b->message, buffer_bytes(&b->name), buffer_bytes(&b->value));
        return ask_records(b, &n, &held);
}

static size_t n_on_topic(struct bench *b) {
        size_t n, held;

        record_put_find(&b->message, buffer_bytes(&b->name), BYTES_NONE, 0);
        assert_int_equal(ask_records(b, &n, &held), RECORD__RESULT__RESULT_OK);
        return n;
}

static void topics_neither(void **state) {
        struct bench *b = *state;

        assert_int_equal(store_topic(b, &b->good), RECORD__RESULT__RESULT_OK);
        assert_int_equal(store_topic(b, &b->bad), RECORD__RESULT__RESULT_OK);
        assert_int_equal(n_on_topic(b), 2);
        deny(b, true);
        assert_int_equal(n_on_topic(b), 1);
        assert_int_equal(store_topic(b, &b->bad), RECORD__RESULT__RESULT_REFUSED);
        deny(b, false);
        assert_int_equal(n_on_topic(b), 2);
}

/* gossip denies a peer because it has revoked its key: others have yet to hear of that. */
static void its_revocation_goes_on(void **state) {
        struct bench *b = *state;
        struct keychange change = { .kind = KEYCHANGE_REVOCATION,
                                    .peer = b->bad.peer,
                                    .created_us = NOW };
        struct signature signature;

        deny(b, true);
        (void) name_for(&b->name, RECORD_REVOCATION, &b->bad.peer, BYTES_NONE);
        assert_int_equal(keychange_encode(&change, &b->value), KEYCHANGE_OK);
        signature = sign_make(&b->bad.secret, buffer_bytes(&b->value));
        buffer_put_bytes(&b->value, signature_bytes(&signature));
        assert_true(put(b));
        assert_true(is_served(b));
}

/* ---- what we ask ---- */

static void get(struct bench *b) {
        b->is_done = false;
        b->n_results = 0;
        dht_get(b->dht, 1, buffer_bytes(&b->name), b->now);
        play(b);
        dht_expire(b->dht, b->now);
        play(b);
        assert_true(b->is_done);
}

static void a_value_is_not_given(void **state) {
        struct bench *b = *state;

        write_name(b, 1);
        buffer_put_bytes(&b->shown[0], buffer_bytes(&b->value));
        b->n_shown = 1;
        deny(b, true);
        get(b);
        assert_int_equal(b->n_results, 0);
        assert_int_equal(b->code, DHT_E_REFUSED);
        assert_string_equal(b->text, "its publisher is on the deny list");
        deny(b, false);
        get(b);
        assert_int_equal(b->n_results, 1);
        assert_int_equal(b->code, DHT_OK);
}

static void on_found(void *userdata, const struct stored_record *r, size_t n_copies) {
        struct bench *b = userdata;
        struct record_parts parts;

        assert_int_equal(record_split(r->value, &parts), 0);
        b->n_found++;
        b->has_found_bad |= peer_id_equal(&parts.fields.publisher, &b->bad.peer);
}

static void on_done(void *userdata, const struct keeper_result *result, nsec_t now) {
        ((struct bench *) userdata)->is_done = true;
}

static void find(struct bench *b) {
        b->is_done = b->has_found_bad = false;
        b->n_found = 0;
        keeper_find(b->keeper, buffer_bytes(&b->name),
                    &(struct keeper_call){ .done = on_done, .found = on_found, .userdata = b },
                    b->now);
        play(b);
        assert_true(b->is_done);
}

/* The bad one stands first on the page of an honest node: what is behind it is read. */
static void topics_are_found_without_it(void **state) {
        struct bench *b = *state;

        write_topic(b, &b->shown[0], &b->bad);
        write_topic(b, &b->shown[1], &b->good);
        b->n_shown = 2;
        find(b);
        assert_int_equal(b->n_found, 2);
        deny(b, true);
        find(b);
        assert_int_equal(b->n_found, 1);
        assert_false(b->has_found_bad);
        deny(b, false);
        b->denies_at_page = true; /* it was taken from the first neighbour already */
        find(b);
        assert_int_equal(b->n_found, 1);
        assert_false(b->has_found_bad);
}

/* ---- the list ---- */

static bool is_refused(struct bench *b, const struct peer_id *peer) {
        b->is_done = false;
        dht_find_peer(b->dht, 1, peer, b->now);
        play(b);
        return b->is_done && b->code == DHT_E_REFUSED;
}

static void a_list_takes_the_place_of_another(void **state) {
        struct bench *b = *state;
        struct peer_id first[2] = { b->bad.peer, b->neighbours[0].contact.peer },
                       second[2] = { b->neighbours[0].contact.peer, b->good.peer };
        struct dht_status status;

        dht_status(b->dht, &status);
        assert_int_equal(status.peers, 2);
        assert_int_equal(status.servers, 2);
        dht_deny_list(b->dht, first, 2, b->now);
        assert_true(is_refused(b, &first[0]) && is_refused(b, &first[1]));
        assert_false(is_refused(b, &second[1]));
        dht_status(b->dht, &status);
        assert_int_equal(status.peers, 1);
        assert_int_equal(status.servers, 1);
        dht_deny_list(b->dht, second, 2, b->now);
        assert_false(is_refused(b, &first[0]));
        assert_true(is_refused(b, &second[0]) && is_refused(b, &second[1]));
        dht_deny_list(b->dht, NULL, 0, b->now);
        assert_false(is_refused(b, &second[0]) || is_refused(b, &second[1]));
}

/* Nobody who is denied is shown between a start and gossip's list. */
static void it_is_kept_over_a_restart(void **state) {
        struct bench *b = *state;

        dht_deny_list(b->dht, (struct peer_id[]){ b->bad.peer, b->good.peer }, 2, b->now);
        dht_deny_list(b->dht, &b->bad.peer, 1, b->now);
        dht_free(b->dht);
        keeper_free(b->keeper);
        b->dht = server_start(&b->store, b->now, &b->keeper);
        assert_true(is_refused(b, &b->bad.peer));
        assert_false(is_refused(b, &b->good.peer));
        dht_deny_list(b->dht, NULL, 0, b->now);
        dht_free(b->dht);
        keeper_free(b->keeper);
        b->dht = server_start(&b->store, b->now, &b->keeper);
        assert_false(is_refused(b, &b->bad.peer));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

TEST_MAIN(TEST(values_are_neither_taken_nor_served), TEST(topics_neither),
          TEST(its_revocation_goes_on), TEST(a_value_is_not_given),
          TEST(topics_are_found_without_it), TEST(a_list_takes_the_place_of_another),
          TEST(it_is_kept_over_a_restart))
