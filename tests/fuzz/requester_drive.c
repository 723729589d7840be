#include "tests/fuzz/requester_drive.h"

#include <stdio.h>

#include "common/canonical/cell.h"
#include "common/canonical/descriptor.h"
#include "common/canonical/statement.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/grid.pb-c.h"
#include "proto/journal.pb-c.h"
#include "proto/worker.pb-c.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/hosts.h"

#define ENGINE "sim/1/model"
#define CLIENT 1

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

static struct signature hash_sign(const struct sign_public *key, struct bytes message) {
        struct hash_value h = hash_of2("quorate.fuzz.sig", sign_public_bytes(key), message);
        struct signature s = {};

        memcpy(s.bytes, h.bytes, HASH_SIZE);
        return s;
}

bool drive_verify(const struct sign_public *key, struct bytes message, struct bytes signature) {
        struct signature want = hash_sign(key, message);

        return bytes_equal(signature_bytes(&want), signature);
}

/* Keys that sign: of host i; the last one is ours. */
static void real_key(unsigned i, struct sign_secret *ret_secret, struct sign_public *ret) {
        const uint8_t seed[SIGN_SEED_SIZE] = { (uint8_t) (i + 1) };

        sign_keypair(seed, ret_secret, ret);
}

static struct signature real_sign(unsigned i, struct bytes message) {
        struct sign_secret secret;
        struct sign_public public;

        real_key(i, &secret, &public);
        return sign_make(&secret, message);
}

static struct peer_id real_peer_of(unsigned i) {
        struct sign_secret secret;
        struct sign_public public;

        real_key(i, &secret, &public);
        return peer_id_from_ed25519(&public);
}

static struct peer_id peer_of(unsigned i) {
        struct sign_public key = { .bytes = { (uint8_t) (i + 1) } };

        return peer_id_from_ed25519(&key);
}

/* ---- The world around ---- */

static void send_report(struct drive *d, Worker__Report *r) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 1u << 16);
        wire_pack(&b, &r->base);
        coordinator_report(d->c, d->run, buffer_bytes(&b), d->now);
}

static void do_work(struct drive *d, const struct action *a) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Analysis analysis = WORKER__ANALYSIS__INIT;

        d->run = a->id;
        analysis.class_name = (char *) "EXACT";
        analysis.engine = (char *) ENGINE;
        analysis.schema = binary(d->schema->encoded);
        analysis.repeatable = d->kept.cache && !d->kept.sees_job;
        r.body_case = WORKER__REPORT__BODY_ANALYSIS;
        r.analysis = &analysis;
        send_report(d, &r);
}

static void do_sign(struct drive *d, const struct action *a) {
        struct signature signature = {};

        if (d->holds_signatures && d->n_held < ELEMENTSOF(d->held)) {
                d->held[d->n_held] = *a;
                d->held[d->n_held++].data = refbuf_ref(a->data);
                return;
        }
        if (d->kept.cache)
                signature = real_sign(DRIVE_HOSTS, refbuf_bytes(a->data));
        coordinator_signed(d->c, a->id, refbuf_bytes(a->data), signature_bytes(&signature), d->now);
}

static void note_judgement(struct drive *d, struct bytes record) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Journal__Judgement *m;

        check(!wire_unpack(&journal__judgement__descriptor, record, NULL, &u));
        m = u.message;
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                if (bytes_equal(BYTES(m->peer.data, m->peer.len), peer_id_bytes(&d->peers[i])))
                        d->judged[i] = m->verdict;
}

static void keep_receipt(struct drive *d, const struct action *a) {
        d->receipt_of = a->hash;
        refbuf_unref(d->receipt);
        d->receipt = refbuf_ref(a->data);
}

static void do_ack(struct drive *d, const struct action *a) {
        if (a->type == ACTION_RECEIPT)
                keep_receipt(d, a);
        if (a->type == ACTION_JOURNAL && a->n == JOURNAL_VERDICT)
                note_judgement(d, refbuf_bytes(a->data));
        if (a->id)
                coordinator_journalled(d->c, a->id, d->now);
}

static void do_open(struct drive *d, const struct action *a) {
        static const uint8_t private[4] = { 10, 0, 0, 1 }, public[4] = { 9, 9, 9, 9 };
        struct endpoint e = endpoint_ip4(d->kept.is_one_voter ? public : private, 4001);
        struct stream_remote remote = { .peer = a->peer, .address = multiaddr_from_endpoint(&e) };

        for (unsigned i = 0; i < DRIVE_HOSTS; i++) {
                if (!peer_id_equal(&a->peer, &d->peers[i]))
                        continue;
                d->streams[i] = a->id;
                d->is_open[i] = true;
                buffer_clear(&d->sent[i]);
                coordinator_stream_opened(d->c, a->id, &remote, 64, d->now);
        }
}

/* Looks for the dispatch in what was sent so far: it brings the descriptor. */
static void look_for_dispatch(struct drive *d, unsigned host) {
        struct reader r = reader_of(buffer_bytes(&d->sent[host]));

        while (reader_left(&r) > 0 && d->descriptor.len == 0) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                struct bytes frame = reader_prefixed(&r);
                const Grid__JobMessage *m;

                if (r.failed || wire_unpack(&grid__job_message__descriptor, frame, NULL, &u))
                        return;
                m = u.message;
                if (m->body_case == GRID__JOB_MESSAGE__BODY_DISPATCH)
                        buffer_put(&d->descriptor, m->dispatch->descriptor.data,
                                   m->dispatch->descriptor.len);
        }
}

static void do_send(struct drive *d, const struct action *a) {
        for (unsigned i = 0; i < DRIVE_HOSTS; i++) {
                if (d->streams[i] != a->id)
                        continue;
                buffer_put_bytes(&d->sent[i], refbuf_bytes(a->data));
                look_for_dispatch(d, i);
        }
}

static void do_reset(struct drive *d, const struct action *a) {
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                if (d->streams[i] == a->id)
                        d->is_open[i] = false;
}

static void do_reply(struct drive *d, const struct action *a) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Coordinator__SubmitReply *reply;

        if (!a->data)
                d->refusal = a->event.text;
        if (!a->data ||
            wire_unpack(&coordinator__submit_reply__descriptor, refbuf_bytes(a->data), NULL, &u))
                return;
        reply = u.message;
        if (reply->job.len == HASH_SIZE)
                memcpy(d->job.bytes, reply->job.data, HASH_SIZE);
        if (coordinator_attach(d->c, CLIENT, BYTES(reply->job.data, reply->job.len), 0, d->now))
                coordinator_client_credit(d->c, CLIENT, 1000, d->now);
}

static void note_end(struct drive *d, const Coordinator__ResultEnd *end) {
        (void) snprintf(d->state, sizeof(d->state), "%s", end->state);
        (void) snprintf(d->error_state, sizeof(d->error_state), "%s", end->error_state);
        d->age_us = end->cached_age_us;
        if (end->actual)
                d->told = (struct drive_cost){ end->actual->cpu_us, end->actual->peak_memory };
        if (end->estimate)
                d->estimated = (struct drive_cost){ end->estimate->cpu_us, end->estimate->memory };
        d->agreement = end->agreement;
        d->quorum = end->quorum;
        d->n_hosts = end->n_hosts;
        if (end->cached_job.len == HASH_SIZE)
                memcpy(d->cached_job.bytes, end->cached_job.data, HASH_SIZE);
}

static void note_words(struct drive *d, const Types__Problem *p) {
        if (!p)
                return;
        (void) snprintf(d->text, sizeof(d->text), "%s", p->text);
        buffer_put(&d->speaker, p->peer.data, p->peer.len);
}

static void do_client(struct drive *d, const struct action *a) {
        struct reader r = reader_of(refbuf_bytes(a->data));

        while (reader_left(&r) > 0) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                struct bytes frame = reader_prefixed(&r);
                const Coordinator__ResultFrame *f;

                check(!r.failed); /* no frame here is longer than one unit */
                check(!wire_unpack(&coordinator__result_frame__descriptor, frame, NULL, &u));
                f = u.message;
                d->batches += f->body_case == COORDINATOR__RESULT_FRAME__BODY_BATCH;
                if (f->body_case != COORDINATOR__RESULT_FRAME__BODY_END)
                        continue;
                note_end(d, f->end);
                d->has_end = true;
                d->is_verified = strcmp(f->end->state, "VERIFIED") == 0;
                d->problem = f->end->problem ? f->end->problem->code : 0;
                (void) snprintf(d->detail, sizeof(d->detail), "%s",
                                f->end->problem ? f->end->problem->detail : "");
                note_words(d, f->end->problem);
                d->rows = f->end->rows;
                if (f->end->answer.len == HASH_SIZE)
                        memcpy(d->answer.bytes, f->end->answer.data, HASH_SIZE);
        }
}

static void do_answer_find(struct drive *d, const struct action *a) {
        d->n_finds++;
        d->key = a->hash;
        coordinator_cached(d->c, a->id, d->kept.file, d->now);
}

static void do_answer_keep(struct drive *d, const struct action *a) {
        refbuf_unref(d->keeps);
        d->keeps = refbuf_ref(a->data);
        d->keep_how = a->n;
}

static void do_answer_drop(struct drive *d, const struct action *a) {
        d->n_drops++;
}

static void do_input(struct drive *d, const struct action *a) {
        const struct input_facts facts = { .format = "sqlite",
                                           .path = "x.data",
                                           .length = d->kept.input_length,
                                           .is_public = true };

        coordinator_input_ready(d->c, a->id, &facts, d->now);
}

static void (*const doers[_ACTION_N])(struct drive *d, const struct action *a) = {
        [ACTION_OPEN] = do_open,
        [ACTION_SEND] = do_send,
        [ACTION_RESET] = do_reset,
        [ACTION_SIGN] = do_sign,
        [ACTION_WORK] = do_work,
        [ACTION_INPUT] = do_input,
        [ACTION_JOURNAL] = do_ack,
        [ACTION_RECEIPT] = do_ack,
        [ACTION_REPLY] = do_reply,
        [ACTION_CLIENT] = do_client,
        [ACTION_ANSWER_FIND] = do_answer_find,
        [ACTION_ANSWER_KEEP] = do_answer_keep,
        [ACTION_ANSWER_DROP] = do_answer_drop,
};

static void pump(struct drive *d) {
        struct action a = {};

        while (coordinator_output(d->c, &a)) {
                if (doers[a.type])
                        doers[a.type](d, &a);
                action_done(&a);
        }
}

/* ---- What the target does ---- */

void drive_data(struct drive *d, unsigned host, struct bytes data) {
        if (!d->is_open[host])
                return;
        coordinator_stream_data(d->c, d->streams[host], data, d->now);
        pump(d);
}

void drive_message(struct drive *d, unsigned host, unsigned field, struct bytes body) {
        CLEANUP(buffer_donep) struct buffer m = {}, frame = {};

        buffer_init(&m, body.len + 32);
        buffer_init(&frame, body.len + 64);
        buffer_put_varint(&m, field << 3 | 2);
        buffer_put_prefixed(&m, body);
        frame_put(&frame, buffer_bytes(&m));
        drive_data(d, host, buffer_bytes(&frame));
}

void drive_bid(struct drive *d, unsigned host) {
        CLEANUP(buffer_donep) struct buffer b = {};
        uint8_t ticket[16] = { (uint8_t) (host + 1) };
        Grid__Bid bid = GRID__BID__INIT;

        bid.ticket = binary(BYTES_OF(ticket));
        bid.valid_ms = 5000;
        bid.engine = (char *) ENGINE;
        bid.free_slots = 1;
        bid.fetch_bytes = d->fetch_bytes[host];
        buffer_init(&b, 256);
        wire_pack(&b, &bid.base);
        drive_message(d, host, 2, buffer_bytes(&b));
}

void drive_closed(struct drive *d, unsigned host) {
        if (!d->is_open[host])
                return;
        d->is_open[host] = false;
        coordinator_stream_closed(d->c, d->streams[host], 7, d->now);
        pump(d);
}

void drive_window(struct drive *d, unsigned host) {
        coordinator_stream_window(d->c, d->streams[host], 8, d->now);
        pump(d);
}

void drive_attach(struct drive *d) {
        d->has_end = false;
        if (coordinator_attach(d->c, CLIENT + 1, hash_bytes(&d->job), 0, d->now))
                coordinator_client_credit(d->c, CLIENT + 1, 1000, d->now);
        pump(d);
}

void drive_report(struct drive *d, struct bytes report) {
        coordinator_report(d->c, d->run, report, d->now);
        pump(d);
}

void drive_wait(struct drive *d, nsec_t time) {
        nsec_t end = d->now + time;
        nsec_t next;

        while ((next = coordinator_deadline(d->c)) <= end) {
                d->now = nsec_max(d->now, next);
                coordinator_expire(d->c, d->now);
                pump(d);
        }
        d->now = end;
}

bool drive_commit_to(struct drive *d, unsigned host, const struct answer *a, uint8_t run,
                     struct buffer *ret) {
        Grid__Commit c = GRID__COMMIT__INIT;
        Types__Metering claimed = TYPES__METERING__INIT;
        struct hash_value salt = job_salt(buffer_bytes(&d->descriptor));
        CLEANUP(buffer_donep) struct buffer statement = {};
        struct commit_statement s = { .job = job_id(buffer_bytes(&d->descriptor)),
                                      .host = peer_id_bytes(&d->peers[host]),
                                      .run = run,
                                      .engine_class = BYTES_LIT(ENGINE),
                                      .answer_tag = answer_tag(&salt, a),
                                      .result_tag = answer_result_tag(&salt, a) };
        struct sign_public key;
        struct signature signature;

        if (d->descriptor.len == 0)
                return false;
        buffer_init(&statement, STATEMENT_BYTES_MAX);
        check(commit_encode(&s, &statement) == STATEMENT_OK);
        check(peer_id_ed25519(&d->peers[host], &key));
        signature = d->kept.cache ? real_sign(host, buffer_bytes(&statement))
                                  : hash_sign(&key, buffer_bytes(&statement));
        c.statement = binary(buffer_bytes(&statement));
        c.signature = binary(signature_bytes(&signature));
        c.form = a->form;
        c.answer = binary(hash_bytes(&a->hash));
        c.sequence_root = binary(hash_bytes(&a->sequence_root));
        c.batches = a->batches;
        c.rows = a->rows;
        c.bytes = a->bytes;
        c.error = a->error;
        c.position = a->position;
        claimed.cpu_us = d->claims[host].cpu_us;
        claimed.peak_memory = d->claims[host].memory;
        c.claimed = &claimed;
        if (d->words)
                c.text = (char *) d->words;
        buffer_init(ret, 1u << 16);
        wire_pack(ret, &c.base);
        return true;
}

bool drive_commit(struct drive *d, unsigned host, struct buffer *ret) {
        return drive_commit_to(d, host, &d->truth, 0, ret);
}

void drive_packed(struct drive *d, unsigned host, unsigned field, const ProtobufCMessage *body) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 1u << 16);
        wire_pack(&b, body);
        drive_message(d, host, field, buffer_bytes(&b));
}

void drive_sign(struct drive *d) {
        d->holds_signatures = false;
        for (size_t i = 0; i < d->n_held; i++) {
                do_sign(d, &d->held[i]);
                action_done(&d->held[i]);
        }
        d->n_held = 0;
        pump(d);
}

/* ---- Life ---- */

void drive_rows(struct drive *d, unsigned n) {
        static const struct answer_limits no_limits = {};
        struct answer_builder builder;

        buffer_clear(&d->batch);
        answer_begin(&builder, ANSWER_SET, &d->schema->digest, &no_limits, NULL);
        for (unsigned i = 0; i < n; i++) {
                cell_put_integer(answer_row(&builder), i);
                check(answer_end_row(&builder) == BATCH_OK);
        }
        if (answer_finish(&builder) == BATCH_READY) {
                buffer_put_bytes(&d->batch, answer_batch(&builder));
                d->digest = answer_next(&builder);
        }
        answer_result(&builder, &d->truth);
        answer_done(&builder);
}

struct drive *drive_dispatched(unsigned rows) {
        struct drive *d = drive_new(drive_verify);

        drive_rows(d, rows);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                drive_bid(d, i);
        drive_wait(d, 100 * NSEC_PER_MSEC);
        check(d->descriptor.len > 0);
        return d;
}

static void make_truth(struct drive *d) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 64);
        schema_begin(&b, 1);
        schema_put_name(&b, BYTES_LIT("n"));
        schema_put_type(&b, CELL_INTEGER);
        check(schema_decode(buffer_bytes(&b), &d->schema) == SCHEMA_OK);
        drive_rows(d, 0);
}

static void tell_candidates(struct drive *d) {
        CLEANUP(freep) struct candidate *list = xnew_n(struct candidate, DRIVE_HOSTS);

        for (unsigned i = 0; i < DRIVE_HOSTS; i++) {
                const uint8_t ip[4] = { 8, 8, 8, (uint8_t) i };
                struct endpoint e = endpoint_ip4(ip, 4001);

                list[i].peer = d->peers[i];
                list[i].addresses[0] = multiaddr_from_endpoint(&e);
                list[i].n_addresses = d->kept.is_one_subnet;
        }
        coordinator_candidates(d->c, list, DRIVE_HOSTS, d->now);
}

/* What the journal of the node has of it. */
static void prove_liar(struct drive *d, unsigned host) {
        CLEANUP(buffer_donep) struct buffer b = {};
        Journal__Judgement m = JOURNAL__JUDGEMENT__INIT;

        m.peer = binary(peer_id_bytes(&d->peers[host]));
        m.verdict = VERDICT_INCORRECT;
        m.is_proved = true;
        buffer_init(&b, 256);
        wire_pack(&b, &m.base);
        check(coordinator_restore(d->c, JOURNAL_VERDICT, buffer_bytes(&b), d->now) == 0);
}

static void know(struct drive *d) {
        coordinator_clock(d->c, d->now, INT64_C(1790000000000000) + d->kept.later_us);
        if (d->kept.liar)
                prove_liar(d, d->kept.liar - 1);
        if (d->kept.denied)
                coordinator_deny(d->c, &d->peers[d->kept.denied - 1], true, d->now);
        coordinator_start(d->c, d->now);
}

static struct drive *begin(core_verify_fn verify, bool is_described,
                           const struct drive_kept *kept) {
        static const char *const engines[] = { ENGINE };
        static const struct entropy entropy = { .nonce = { 1 }, .seed = { 2 } };
        Coordinator__SubmitRequest request = COORDINATOR__SUBMIT_REQUEST__INIT;
        static const struct hash_value root = { { 7 } };
        Types__Input input = TYPES__INPUT__INIT, *inputs = &input;
        struct drive *d = xnew(struct drive);

        d->now = NSEC_PER_SEC;
        d->kept = kept ? *kept : (struct drive_kept){};
        for (unsigned i = 0; i <= DRIVE_HOSTS; i++)
                d->peers[i] = kept ? real_peer_of(i) : peer_of(i);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                buffer_init(&d->sent[i], 1u << 20);
        buffer_init(&d->speaker, 256);
        buffer_init(&d->descriptor, 1u << 20);
        buffer_init(&d->batch, 1u << 20);
        make_truth(d);
        d->c = coordinator_new(&settings_default, &d->peers[DRIVE_HOSTS], 1);
        coordinator_verifier(d->c, verify);
        know(d);
        tell_candidates(d);
        coordinator_capacity(d->c, &(struct governor_worker){ .slots = 2, .memory = 1u << 30 }, 1,
                             engines, 1, d->now);
        request.sql = (char *) "SELECT n FROM nothing";
        request.prefer = (char *) "remote";
        request.remote_analysis = is_described;
        request.quorum = d->kept.quorum;
        request.verify = (char *) (d->kept.verify ? d->kept.verify : "");
        request.cache = (char *) (d->kept.cache ? d->kept.cache : "");
        request.data_class = (char *) (d->kept.data_class ? d->kept.data_class : "");
        input.name = (char *) "t";
        input.root = binary(hash_bytes(&root));
        request.inputs = &inputs;
        request.n_inputs = d->kept.input_length > 0;
        coordinator_submit(d->c, 1, &request, &entropy, d->now);
        pump(d);
        return d;
}

struct drive *drive_new(core_verify_fn verify) {
        return begin(verify, false, NULL);
}

struct drive *drive_new_described(core_verify_fn verify) {
        return begin(verify, true, NULL);
}

struct drive *drive_new_kept(const struct drive_kept *kept) {
        return begin(sign_verify, false, kept);
}

void drive_free(struct drive *d) {
        refbuf_unref(d->keeps);
        refbuf_unref(d->receipt);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                buffer_done(&d->sent[i]);
        for (size_t i = 0; i < d->n_held; i++)
                action_done(&d->held[i]);
        buffer_done(&d->speaker);
        buffer_done(&d->descriptor);
        buffer_done(&d->batch);
        d->c = coordinator_free(d->c);
        schema_free(d->schema);
        free(d);
}

bool drive_nobody_signs(const struct sign_public *key, struct bytes message,
                        struct bytes signature) {
        return false;
}

int drive_script(struct drive *d, struct bytes script, drive_step_fn step) {
        struct reader r = reader_of(script);

        while (reader_left(&r) >= 3) {
                unsigned what = reader_u8(&r);
                size_t len = reader_u16(&r);

                step(d, what, reader_take(&r, len < reader_left(&r) ? len : reader_left(&r)));
        }
        drive_wait(d, 400 * NSEC_PER_SEC);
        check(!d->is_verified);
        drive_free(d);
        return 0;
}
