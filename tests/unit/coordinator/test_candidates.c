/* Whom a job asks and who gets it, when hosts are known from several sources. */

#include "common/base/memory.h"
#include "common/canonical/cell.h"
#include "common/canonical/descriptor.h"
#include "common/canonical/schema.h"
#include "common/canonical/statement.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/gossip.pb-c.h"
#include "proto/grid.pb-c.h"
#include "proto/worker.pb-c.h"
#include "services/coordinator/coordinator.h"
#include "services/coordinator/hosts.h"
#include "tests/support/test.h"

#define ENGINE    "sim/1/model"
#define CLIENT    1
#define SELF      200
#define WORLD_MAX 64
#define START     NSEC_PER_SEC

struct world {
        struct coordinator *c;
        nsec_t now;
        struct candidate list[WORLD_MAX];
        size_t n_list;
        struct {
                struct peer_id peer;
                uint64_t stream;
                bool is_reset;
        } asked[WORLD_MAX];
        size_t n_asked;
        struct peer_id voters[WORLD_MAX]; /* whose dispatch was signed */
        size_t n_voters;
        uint64_t find;
        unsigned n_finds, problem;
        bool is_local;
        Gossip__DrawRequest *draw; /* the latest */
        struct unpacked draw_memory;
        char detail[256], reason[512];
        struct schema *schema;
};

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

static struct peer_id peer_of(unsigned i) {
        struct sign_public key = { .bytes = { (uint8_t) (i + 1) } };

        return peer_id_from_ed25519(&key);
}

static bool is_any_signature(const struct sign_public *key, struct bytes message,
                             struct bytes signature) {
        return true;
}

/* ---- What the coordinator wants ---- */

static void analyse(struct world *w, uint64_t run) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Analysis analysis = WORKER__ANALYSIS__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};

        analysis.class_name = (char *) "EXACT";
        analysis.engine = (char *) ENGINE;
        analysis.schema = binary(w->schema->encoded);
        r.body_case = WORKER__REPORT__BODY_ANALYSIS;
        r.analysis = &analysis;
        buffer_init(&b, 1u << 16);
        wire_pack(&b, &r.base);
        coordinator_report(w->c, run, buffer_bytes(&b), w->now);
}

static void on_open(struct world *w, const struct action *a) {
        static const uint8_t ip[4] = { 10, 0, 0, 1 };
        struct endpoint e = endpoint_ip4(ip, 4001);
        struct stream_remote remote = { .peer = a->peer, .address = multiaddr_from_endpoint(&e) };

        assert_true(w->n_asked < WORLD_MAX);
        w->asked[w->n_asked].peer = a->peer;
        w->asked[w->n_asked++].stream = a->id;
        coordinator_stream_opened(w->c, a->id, &remote, 64, w->now);
}

static void on_sign(struct world *w, const struct action *a) {
        static const uint8_t signature[SIGNATURE_SIZE];
        struct dispatch_statement d;

        if (a->n == STATEMENT_DISPATCH) {
                assert_int_equal(dispatch_decode(refbuf_bytes(a->data), &d), 0);
                assert_true(peer_id_parse(d.host, &w->voters[w->n_voters++]));
        }
        coordinator_signed(w->c, a->id, refbuf_bytes(a->data), BYTES_OF(signature), w->now);
}

static void on_find(struct world *w, const struct action *a) {
        unpacked_done(&w->draw_memory);
        assert_int_equal(wire_unpack(&gossip__draw_request__descriptor, refbuf_bytes(a->data), NULL,
                                     &w->draw_memory),
                         UNPACK_OK);
        w->draw = w->draw_memory.message;
        w->find = a->id;
        w->n_finds++;
}

static void on_reply(struct world *w, const struct action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Coordinator__SubmitReply *reply;

        assert_non_null(a->data);
        assert_int_equal(wire_unpack(&coordinator__submit_reply__descriptor, refbuf_bytes(a->data),
                                     NULL, &u),
                         UNPACK_OK);
        reply = u.message;
        (void) snprintf(w->reason, sizeof(w->reason), "%s", reply->reason);
        if (coordinator_attach(w->c, CLIENT, BYTES(reply->job.data, reply->job.len), 0, w->now))
                coordinator_client_credit(w->c, CLIENT, 1000, w->now);
}

static void on_client(struct world *w, const struct action *a) {
        struct reader r = reader_of(refbuf_bytes(a->data));

        while (reader_left(&r) > 0) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Coordinator__ResultFrame *f;

                assert_int_equal(wire_unpack(&coordinator__result_frame__descriptor,
                                             reader_prefixed(&r), NULL, &u),
                                 UNPACK_OK);
                f = u.message;
                if (f->body_case != COORDINATOR__RESULT_FRAME__BODY_END || !f->end->problem)
                        continue;
                w->problem = f->end->problem->code;
                (void) snprintf(w->detail, sizeof(w->detail), "%s", f->end->problem->detail);
        }
}

static void on_reset(struct world *w, const struct action *a) {
        for (size_t i = 0; i < w->n_asked; i++)
                w->asked[i].is_reset |= w->asked[i].stream == a->id;
}

static void on_journal(struct world *w, const struct action *a) {
        if (a->id)
                coordinator_journalled(w->c, a->id, w->now);
}

/* What it would run itself is only noted. */
static void on_work(struct world *w, const struct action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Worker__Job *job;

        assert_int_equal(wire_unpack(&worker__job__descriptor, refbuf_bytes(a->data), NULL, &u),
                         UNPACK_OK);
        job = u.message;
        if (job->mode == WORKER__JOB__MODE__ANALYSE)
                analyse(w, a->id);
        else
                w->is_local = true;
}

static void (*const doers[_ACTION_N])(struct world *w, const struct action *a) = {
        [ACTION_OPEN] = on_open,       [ACTION_RESET] = on_reset,     [ACTION_SIGN] = on_sign,
        [ACTION_WORK] = on_work,       [ACTION_FIND] = on_find,       [ACTION_REPLY] = on_reply,
        [ACTION_JOURNAL] = on_journal, [ACTION_RECEIPT] = on_journal, [ACTION_CLIENT] = on_client,
};

static void pump(struct world *w) {
        struct action a = {};

        while (coordinator_output(w->c, &a)) {
                if (doers[a.type])
                        doers[a.type](w, &a);
                action_done(&a);
        }
}

static void wait(struct world *w, nsec_t time) {
        nsec_t end = w->now + time, next;

        while ((next = coordinator_deadline(w->c)) <= end) {
                w->now = nsec_max(w->now, next);
                coordinator_expire(w->c, w->now);
                pump(w);
        }
        w->now = end;
}

/* ---- Life ---- */

static struct candidate *add(struct world *w, enum candidate_origin origin) {
        struct candidate *c = &w->list[w->n_list];

        assert_true(w->n_list < WORLD_MAX);
        *c = (struct candidate){ .peer = peer_of((unsigned) w->n_list++), .origin = origin };
        if (origin == ORIGIN_GOSSIP)
                c->claims = (struct candidate_claims){ .is_known = true,
                                                       .engines = { ENGINE },
                                                       .n_engines = 1,
                                                       .free_slots = 2,
                                                       .data_classes = 1u << DATA_PUBLIC };
        return c;
}

static void tell(struct world *w) {
        coordinator_candidates(w->c, w->list, w->n_list, w->now);
}

static struct world *begin(unsigned seed) {
        static const char *const engines[] = { ENGINE };
        CLEANUP(buffer_donep) struct buffer b = {};
        struct world *w = xnew(struct world);
        struct peer_id self = peer_of(SELF);

        w->now = START;
        buffer_init(&b, 64);
        schema_begin(&b, 1);
        schema_put_name(&b, BYTES_LIT("n"));
        schema_put_type(&b, CELL_INTEGER);
        assert_int_equal(schema_decode(buffer_bytes(&b), &w->schema), SCHEMA_OK);
        w->c = coordinator_new(&settings_default, &self, seed);
        coordinator_verifier(w->c, is_any_signature);
        coordinator_clock(w->c, w->now, INT64_C(1790000000000000));
        coordinator_start(w->c, w->now);
        coordinator_capacity(w->c, 2, 1u << 30, engines, 1, w->now);
        return w;
}

static void end(struct world *w) {
        w->c = coordinator_free(w->c);
        unpacked_done(&w->draw_memory);
        schema_free(w->schema);
        free(w);
}

static void submit(struct world *w, const char *prefer) {
        static const struct entropy entropy = { .nonce = { 1 }, .seed = { 2 } };
        Coordinator__SubmitRequest request = COORDINATOR__SUBMIT_REQUEST__INIT;

        request.sql = (char *) "SELECT n FROM nothing";
        request.prefer = (char *) prefer;
        coordinator_submit(w->c, 1, &request, &entropy, w->now);
        pump(w);
}

static enum candidate_origin origin_of(const struct world *w, const struct peer_id *peer) {
        for (size_t i = 0; i < w->n_list; i++)
                if (peer_id_equal(&w->list[i].peer, peer))
                        return w->list[i].origin;
        fail_msg("a host that is no candidate");
        return 0;
}

/* The hosts that gossip names promise to be the fastest. */
static void bid(struct world *w, size_t i) {
        CLEANUP(buffer_donep) struct buffer b = {}, frame = {};
        uint8_t ticket[16] = { (uint8_t) (i + 1) };
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        Grid__Bid bid = GRID__BID__INIT;

        bid.ticket = binary(BYTES_OF(ticket));
        bid.valid_ms = 5000;
        bid.engine = (char *) ENGINE;
        bid.free_slots = 1;
        bid.estimate_us = origin_of(w, &w->asked[i].peer) == ORIGIN_GOSSIP ? 10 : 1000;
        m.body_case = GRID__JOB_MESSAGE__BODY_BID;
        m.bid = &bid;
        buffer_init(&b, 256);
        buffer_init(&frame, 512);
        wire_pack(&b, &m.base);
        frame_put(&frame, buffer_bytes(&b));
        coordinator_stream_data(w->c, w->asked[i].stream, buffer_bytes(&frame), w->now);
        pump(w);
}

/* All that were asked bid at the same instant. */
static void bid_all(struct world *w) {
        wait(w, 10 * NSEC_PER_MSEC); /* else the third bid ends the round */
        for (size_t i = 0; i < w->n_asked; i++)
                if (!w->asked[i].is_reset)
                        bid(w, i);
        wait(w, 100 * NSEC_PER_MSEC);
}

static unsigned count_voters(const struct world *w, enum candidate_origin origin) {
        unsigned n = 0;

        for (size_t i = 0; i < w->n_voters; i++)
                n += origin_of(w, &w->voters[i]) == origin;
        return n;
}

static unsigned count_asked(const struct world *w, enum candidate_origin origin) {
        unsigned n = 0;

        for (size_t i = 0; i < w->n_asked; i++)
                n += origin_of(w, &w->asked[i].peer) == origin;
        return n;
}

static bool was_asked(const struct world *w, const struct peer_id *peer) {
        for (size_t i = 0; i < w->n_asked; i++)
                if (peer_id_equal(&w->asked[i].peer, peer))
                        return true;
        return false;
}

/* ---- Mixing ---- */

static void add_many(struct world *w, enum candidate_origin origin, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                (void) add(w, origin);
}

/* However many gossip names: own history and the DHT have their voter, at any seed. */
static void test_no_source_chooses_all(void **state) {
        unsigned drawn = 0;

        for (unsigned seed = 0; seed < 50; seed++) {
                struct world *w = begin(seed);

                add_many(w, ORIGIN_GOSSIP, 40);
                add_many(w, ORIGIN_DHT, 3);
                add_many(w, ORIGIN_HISTORY, 2);
                add_many(w, ORIGIN_CONNECTED, 10);
                tell(w);
                submit(w, "remote");
                assert_int_equal(w->n_asked, 5); /* k + 2 */
                assert_true(count_asked(w, ORIGIN_DHT) >= 1);
                assert_true(count_asked(w, ORIGIN_HISTORY) >= 1);
                bid_all(w);
                assert_int_equal(w->n_voters, 3);
                assert_true(count_voters(w, ORIGIN_DHT) >= 1);
                assert_true(count_voters(w, ORIGIN_HISTORY) >= 1);
                drawn += count_voters(w, ORIGIN_GOSSIP);
                end(w);
        }
        assert_true(drawn > 20); /* and gossip's hosts are not shut out */
}

/* Nobody bids: all sixteen are asked, a quarter at most (and the one that must be) from
 * look-ups, and not one that is merely connected. */
static void test_sixteen(void **state) {
        struct world *w = begin(1);

        add_many(w, ORIGIN_CONNECTED, 10);
        add_many(w, ORIGIN_DHT, 12);
        add_many(w, ORIGIN_GOSSIP, 30);
        tell(w);
        submit(w, "remote");
        wait(w, 150 * NSEC_PER_MSEC);
        assert_int_equal(w->n_asked, 16);
        assert_int_equal(count_asked(w, ORIGIN_DHT), 5);
        assert_int_equal(count_asked(w, ORIGIN_CONNECTED), 0);
        end(w);
}

static void test_connected_when_there_is_nobody_else(void **state) {
        struct world *w = begin(1);

        add_many(w, ORIGIN_CONNECTED, 10);
        (void) add(w, ORIGIN_GOSSIP);
        tell(w);
        submit(w, "remote");
        assert_int_equal(w->n_asked, 5);
        assert_int_equal(count_asked(w, ORIGIN_GOSSIP), 1);
        end(w);
}

/* What gossip says of a host keeps it from being asked in vain; of hosts without claims
 * nobody knows anything. */
static void test_claims_are_a_filter(void **state) {
        struct world *w = begin(1);
        struct candidate *other = add(w, ORIGIN_GOSSIP), *secret = add(w, ORIGIN_GOSSIP);
        struct candidate *full = add(w, ORIGIN_GOSSIP), *liar = add(w, ORIGIN_GOSSIP);

        other->claims.engines[0][0] = 'x';
        secret->claims.data_classes = 0;
        full->claims.free_slots = 0;
        add_many(w, ORIGIN_GOSSIP, 4);
        (void) add(w, ORIGIN_DHT);
        tell(w);
        coordinator_deny(w->c, &liar->peer, true, w->now);
        submit(w, "remote");
        assert_int_equal(w->n_asked, 5);
        assert_false(was_asked(w, &full->peer));
        wait(w, 150 * NSEC_PER_MSEC);
        assert_true(was_asked(w, &full->peer)); /* it may promise its next slot */
        assert_int_equal(w->n_asked, 6);
        assert_false(was_asked(w, &other->peer));
        assert_false(was_asked(w, &secret->peer));
        assert_false(was_asked(w, &liar->peer));
        end(w);
}

/* ---- Finding ---- */

static void test_asks_for_more(void **state) {
        struct world *w = begin(1);
        const struct found found = { .known = 9, .unusable = 4 };

        coordinator_discovery(w->c, true);
        add_many(w, ORIGIN_GOSSIP, 2);
        tell(w);
        submit(w, "remote");
        assert_int_equal(w->n_finds, 1);
        assert_int_equal(w->n_asked, 0);
        assert_int_equal(w->draw->n_engines, 1);
        assert_string_equal(w->draw->engines[0], "sim"); /* any build of it */
        assert_string_equal(w->draw->data_class, "public");
        assert_int_equal(w->draw->count, 16);
        assert_int_equal(w->draw->min_slots, 1);
        add_many(w, ORIGIN_GOSSIP, 5);
        tell(w);
        coordinator_found(w->c, w->find, &found, w->now);
        pump(w);
        assert_int_equal(w->n_asked, 5);
        bid_all(w);
        assert_int_equal(w->n_voters, 3);
        coordinator_found(w->c, w->find, &found, w->now); /* answered once */
        pump(w);
        assert_int_equal(w->n_voters, 3);
        end(w);
}

static void test_full_hosts_are_asked_for(void **state) {
        static const struct {
                struct found found;
                size_t n;
                bool again;
        } rows[] = {
                { { .known = 3 }, 3, false }, /* all fitted */
                { { .known = 40, .unusable = 24 }, 16, false },
                { { .known = 16, .unusable = 1 }, 15, true },
                { { .known = 5, .unusable = 5 }, 0, true },
                { { .known = 0 }, 0, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(found_leaves_full(&rows[i].found, rows[i].n, 16), rows[i].again);
}

static void test_enough_are_known(void **state) {
        struct world *w = begin(1);

        coordinator_discovery(w->c, true);
        add_many(w, ORIGIN_GOSSIP, 5);
        tell(w);
        submit(w, "remote");
        assert_int_equal(w->n_finds, 0);
        assert_int_equal(w->n_asked, 5);
        end(w);
}

/* What runs here anyway asks nobody. */
static void test_small_and_local(void **state) {
        static const char *const prefers[] = { "local", "auto" };

        for (size_t i = 0; i < ELEMENTSOF(prefers); i++) {
                struct world *w = begin(1);

                coordinator_discovery(w->c, true);
                submit(w, prefers[i]);
                assert_true(w->is_local);
                assert_int_equal(w->n_finds, 0);
                end(w);
        }
}

/* Defect D2: what is offered to others is what the governor has now, not what it is set to. */
static void test_offers_are_live(void **state) {
        struct world *w = begin(1);
        struct offered o;

        coordinator_offered(w->c, &o);
        assert_int_equal(o.slots, 2);
        assert_int_equal(o.free_slots, 2);
        submit(w, "local");
        assert_true(w->is_local);
        coordinator_offered(w->c, &o);
        assert_int_equal(o.slots, 2);
        assert_int_equal(o.free_slots, 1);
        coordinator_pause(w->c, NSEC_PER_SEC, w->now);
        coordinator_offered(w->c, &o);
        assert_int_equal(o.slots, 0);
        assert_int_equal(o.free_slots, 0);
        end(w);
}

/* A node that has just started asks again; then it is said what was asked. */
static void test_nobody_is_found(void **state) {
        const struct found found = { .known = 7, .unusable = 7 };
        struct world *w = begin(1);

        coordinator_discovery(w->c, true);
        submit(w, "remote");
        wait(w, 3 * NSEC_PER_SEC); /* for the first candidates */
        for (unsigned i = 0; i < 40 && !w->problem; i++) {
                coordinator_found(w->c, w->find, &found, w->now);
                pump(w);
                wait(w, 250 * NSEC_PER_MSEC);
        }
        assert_true(w->n_finds > 2 && w->n_finds < 12);
        assert_true(w->now >= START + 5 * NSEC_PER_SEC);
        assert_int_equal(w->problem, OUTCOME_NO_CANDIDATES);
        assert_string_equal(w->detail, "why=gossip: 7 known, 7 unusable for class " ENGINE);
        assert_non_null(strstr(w->reason, "no_peers: no host is known (gossip: 7 known"));
        end(w);
}

/* gossip that says nothing holds a job up for a moment only. */
static void test_no_answer(void **state) {
        struct world *w = begin(1);

        coordinator_discovery(w->c, true);
        add_many(w, ORIGIN_GOSSIP, 3);
        tell(w);
        submit(w, "remote");
        assert_int_equal(w->n_asked, 0);
        wait(w, 1500 * NSEC_PER_MSEC);
        assert_int_equal(w->n_asked, 3);
        end(w);
}

/* ---- Denied while it runs ---- */

static void test_denied_at_once(void **state) {
        struct world *w = begin(1);
        struct peer_id denied;
        size_t voters;

        add_many(w, ORIGIN_GOSSIP, 8);
        tell(w);
        submit(w, "remote");
        bid_all(w);
        assert_int_equal(w->n_voters, 3);
        denied = w->voters[0];
        coordinator_deny_list(w->c, &denied, 1, w->now);
        pump(w);
        for (size_t i = 0; i < w->n_asked; i++)
                if (peer_id_equal(&w->asked[i].peer, &denied))
                        assert_true(w->asked[i].is_reset);
        voters = w->n_asked;
        wait(w, NSEC_PER_SEC);
        for (size_t i = voters; i < w->n_asked; i++) {
                assert_false(peer_id_equal(&w->asked[i].peer, &denied));
                bid(w, i);
        }
        wait(w, 100 * NSEC_PER_MSEC);
        assert_int_equal(w->n_voters, 4); /* another one has its place */
        assert_true(coordinator_is_denied(w->c, &denied));
        coordinator_deny_list(w->c, NULL, 0, w->now);
        assert_false(coordinator_is_denied(w->c, &denied));
        end(w);
}

/* Not asked again either, though there is nobody else. */
static void test_denied_for_good(void **state) {
        struct world *w = begin(1);
        struct peer_id denied;

        add_many(w, ORIGIN_GOSSIP, 3);
        tell(w);
        submit(w, "remote");
        bid_all(w);
        assert_int_equal(w->n_voters, 3);
        denied = w->voters[0];
        coordinator_deny(w->c, &denied, true, w->now);
        pump(w);
        wait(w, 5 * NSEC_PER_SEC);
        assert_int_equal(w->n_asked, 3);
        end(w);
}

TEST_MAIN(cmocka_unit_test(test_no_source_chooses_all), cmocka_unit_test(test_sixteen),
          cmocka_unit_test(test_connected_when_there_is_nobody_else),
          cmocka_unit_test(test_claims_are_a_filter), cmocka_unit_test(test_asks_for_more),
          cmocka_unit_test(test_full_hosts_are_asked_for), cmocka_unit_test(test_enough_are_known),
          cmocka_unit_test(test_small_and_local), cmocka_unit_test(test_offers_are_live),
          cmocka_unit_test(test_nobody_is_found), cmocka_unit_test(test_no_answer),
          cmocka_unit_test(test_denied_at_once), cmocka_unit_test(test_denied_for_good))
