#include "tests/unit/coordinator/bench.h"

#include "common/base/error.h"
#include "common/canonical/schema.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "services/coordinator/denied.h"
#include "services/coordinator/faults.h"
#include "services/coordinator/lane.h"

static void keep(struct bench_list *l, struct action *a) {
        check(l->n < BENCH_MAX);
        l->items[l->n++] = *a;
        *a = (struct action){};
}

void bench_list_drop(struct bench_list *l, size_t i) {
        action_done(&l->items[i]);
        memmove(&l->items[i], &l->items[i + 1], (l->n - i - 1) * sizeof(*l->items));
        l->n--;
}

static void list_clear(struct bench_list *l) {
        while (l->n > 0)
                bench_list_drop(l, l->n - 1);
}

static void drop_id(struct bench_list *l, uint64_t id) {
        for (size_t i = 0; i < l->n; i++)
                if (l->items[i].id == id)
                        bench_list_drop(l, i--);
}

static bool verify(const struct sign_public *key, struct bytes message, struct bytes signature) {
        return sign_verify(key, message, signature);
}

static void core_up(struct bench *b) {
        static char *engines[] = { (char *) BENCH_ENGINE };

        b->core.actions = actions_new();
        b->core.governor = &b->governor;
        b->core.verify = verify;
        b->core.engines = engines;
        b->core.n_engines = 1;
        b->core.wall_offset_us = BENCH_WALL;
        b->core.next_id[ROLE_HOST] = (UINT64_C(1) << 62) + 1;
        governor_init(&b->governor, b->core.settings.host.served_slots,
                      b->core.settings.host.overcommit);
        governor_capacity(&b->governor,
                          &(struct governor_worker){ .slots = 2, .memory = UINT64_C(1) << 30 }, 1);
        b->core.denied =
                denied_new(3, b->core.settings.host.denied, b->core.settings.host.n_denied);
        b->host = host_role.new(&b->core, 7);
}

void bench_init(struct bench *b, const struct coordinator_settings *settings) {
        memset(b, 0, sizeof(*b));
        b->core.settings = *settings;
        for (unsigned i = 0; i <= BENCH_PEERS; i++) {
                uint8_t seed[IDENTITY_SEED_SIZE] = { (uint8_t) (i + 1) };

                identity_init(i < BENCH_PEERS ? &b->keys[i] : &b->self, seed);
                if (i < BENCH_PEERS)
                        b->peers[i] = peer_id_from_ed25519(&b->keys[i].sign_public);
        }
        b->core.self = peer_id_from_ed25519(&b->self.sign_public);
        b->next_stream = 1;
        b->now = NSEC_PER_SEC;
        core_up(b);
        host_role.start(b->host, b->now);
        bench_pump(b);
}

static void core_down(struct bench *b) {
        host_role.free(b->host);
        actions_free(b->core.actions);
        denied_free(b->core.denied);
        list_clear(&b->journal);
        list_clear(&b->sign);
        list_clear(&b->work);
        list_clear(&b->fetch);
        list_clear(&b->input);
        list_clear(&b->recall);
        for (size_t i = 0; i < b->n_streams; i++)
                buffer_done(&b->streams[i].bytes);
        b->n_streams = 0;
}

void bench_done(struct bench *b) {
        core_down(b);
        while (b->n_disk > 0)
                bench_disk_drop(b);
}

static bool is_horizon(enum journal_kind kind) {
        return kind == JOURNAL_HOST_HORIZON || kind == JOURNAL_RECHECK_HORIZON;
}

static void restore(struct bench *b, size_t i) {
        check(!host_role.restore(b->host, b->disk[i].kind, refbuf_bytes(b->disk[i].data), b->now));
}

void bench_restart(struct bench *b) {
        core_down(b);
        core_up(b);
        for (size_t i = 0; i < b->n_disk; i++) /* horizons first, as journal_file.h says */
                if (is_horizon(b->disk[i].kind))
                        restore(b, i);
        for (size_t i = 0; i < b->n_disk; i++)
                if (!is_horizon(b->disk[i].kind))
                        restore(b, i);
        host_role.start(b->host, b->now);
        bench_pump(b);
}

void bench_advance(struct bench *b, nsec_t by) {
        nsec_t end = b->now + by;

        while (host_role.deadline(b->host) <= end) {
                b->now = nsec_max(b->now, host_role.deadline(b->host));
                host_role.expire(b->host, b->now);
                bench_pump(b);
        }
        b->now = end;
}

/* ---- What the host wants ---- */

static __typeof__(((struct bench *) 0)->streams[0]) *stream_of(struct bench *b, uint64_t id) {
        for (size_t i = 0; i < b->n_streams; i++)
                if (b->streams[i].stream == id)
                        return &b->streams[i];
        check_failed("stream is known", __func__, __FILE__, __LINE__);
}

void bench_disk_put(struct bench *b, const struct action *record) {
        check(b->n_disk < BENCH_MAX);
        b->disk[b->n_disk].kind = (enum journal_kind) record->n;
        b->disk[b->n_disk].job = record->hash;
        b->disk[b->n_disk++].data = refbuf_ref(record->data);
}

void bench_disk_drop(struct bench *b) {
        refbuf_unref(b->disk[--b->n_disk].data);
}

void bench_disk_forget(struct bench *b, size_t from, size_t n) {
        for (size_t i = from; i < from + n; i++)
                refbuf_unref(b->disk[i].data);
        memmove(&b->disk[from], &b->disk[from + n], (b->n_disk - from - n) * sizeof(b->disk[0]));
        b->n_disk -= n;
}

void bench_answer_journal(struct bench *b, size_t i, bool ok) {
        struct action *a = &b->journal.items[i];
        uint64_t id = a->id;

        if (ok)
                bench_disk_put(b, a);
        bench_list_drop(&b->journal, i);
        if (id)
                host_role.journalled(b->host, id, ok, b->now);
}

void bench_answer_sign(struct bench *b, size_t i, bool ok) {
        CLEANUP(action_donep) struct action a = b->sign.items[i];
        struct signature s = sign_make(&b->self.sign_secret, refbuf_bytes(a.data));

        b->sign.items[i] = (struct action){};
        bench_list_drop(&b->sign, i);
        host_role.answered(b->host, a.id, ok ? refbuf_bytes(a.data) : BYTES_NONE,
                           ok ? signature_bytes(&s) : BYTES_NONE, b->now);
}

static void answer_input(struct bench *b, size_t i) {
        static const struct input_facts facts = { .format = "sqlite",
                                                  .path = "x.data",
                                                  .length = 4096 };
        static const struct input_failure missing = { .code = OUTCOME_DATA_UNAVAILABLE,
                                                      .asked = 2,
                                                      .who = "one silent" };
        uint64_t id = b->input.items[i].id;

        bench_list_drop(&b->input, i);
        host_role.input(b->host, id, b->is_missing ? NULL : &facts, b->is_missing ? &missing : NULL,
                        b->now);
}

void bench_answer_recall(struct bench *b, size_t i) {
        CLEANUP(action_donep) struct action a = b->recall.items[i];
        struct bytes found = BYTES_NONE;

        b->recall.items[i] = (struct action){};
        bench_list_drop(&b->recall, i);
        for (size_t k = 0; k < b->n_disk; k++)
                if (b->disk[k].kind == (enum journal_kind) a.n &&
                    hash_equal(&b->disk[k].job, &a.hash))
                        found = refbuf_bytes(b->disk[k].data);
        b->n_recalled++;
        host_recalled(b->host, a.id, found, b->now);
}

static bool answer_one(struct bench *b) {
        if (b->is_manual)
                return false;
        if (b->journal.n > 0)
                bench_answer_journal(b, 0, true);
        else if (b->sign.n > 0)
                bench_answer_sign(b, 0, true);
        else if (b->input.n > 0)
                answer_input(b, 0);
        else if (b->recall.n > 0)
                bench_answer_recall(b, 0);
        else
                return false;
        return true;
}

static void carry_out(struct bench *b, struct action *a) {
        switch (a->type) {
        case ACTION_SEND:
                buffer_put_bytes(&stream_of(b, a->id)->bytes, refbuf_bytes(a->data));
                break;
        case ACTION_RESET:
                stream_of(b, a->id)->reset = true;
                break;
        case ACTION_FINISH:
                stream_of(b, a->id)->finished = true;
                break;
        case ACTION_JOURNAL:
                keep(&b->journal, a);
                break;
        case ACTION_RECALL:
                keep(&b->recall, a);
                break;
        case ACTION_SIGN:
                keep(&b->sign, a);
                break;
        case ACTION_WORK:
                keep(&b->work, a);
                break;
        case ACTION_WORK_FETCH:
                keep(&b->fetch, a);
                break;
        case ACTION_INPUT:
                keep(&b->input, a);
                break;
        case ACTION_WORK_CANCEL:
                drop_id(&b->work, a->id);
                b->n_cancelled++;
                break;
        case ACTION_WORK_RELEASE:
                drop_id(&b->work, a->id);
                b->n_released++;
                break;
        case ACTION_INPUT_CANCEL:
                drop_id(&b->input, a->id);
                b->n_input_cancelled++;
                break;
        default:
                break;
        }
}

void bench_pump(struct bench *b) {
        do {
                struct action a;

                while (actions_take(b->core.actions, &a)) {
                        carry_out(b, &a);
                        action_done(&a);
                }
        } while (answer_one(b));
}

/* ---- Peers ---- */

void bench_job_init(struct bench *b, struct bench_job *j, unsigned peer, unsigned nonce) {
        struct descriptor d = { .requester = peer_id_bytes(&b->peers[peer]),
                                .nonce = { (uint8_t) nonce, (uint8_t) (nonce >> 8) },
                                .comparison = COMPARISON_CLASS,
                                .n_classes = 1,
                                .classes = { BYTES_LIT(BENCH_ENGINE) },
                                .time_us = BENCH_WALL + (int64_t) (b->now / NSEC_PER_USEC),
                                .network = BYTES_STR(b->core.settings.query.network),
                                .data_class = DATA_PUBLIC };
        struct buffer schema, out;

        *j = (struct bench_job){ .sql = "SELECT 42", .peer = peer };
        if (b->with_data) {
                d.n_datasets = 1;
                d.datasets[0].name = BYTES_STR(b->data ? b->data : "t");
        }
        d.query = query_hash(BYTES_STR(j->sql));
        buffer_init(&schema, 256);
        schema_begin(&schema, 1);
        schema_put_name(&schema, BYTES_LIT("42"));
        schema_put_type(&schema, CELL_INTEGER);
        d.schema = buffer_bytes(&schema);
        buffer_init(&out, sizeof(j->descriptor));
        check(descriptor_encode(&d, &out, NULL) == DESCRIPTOR_OK && !out.failed);
        memcpy(j->descriptor, out.data, out.len);
        j->descriptor_len = out.len;
        j->id = job_id(buffer_bytes(&out));
        buffer_done(&out);
        buffer_done(&schema);
}

uint64_t bench_open(struct bench *b, unsigned peer) {
        struct stream_remote remote = { .peer = b->peers[peer], .address = b->addresses[peer] };
        uint64_t id = b->next_stream;

        b->next_stream += 2;
        check(b->n_streams < BENCH_MAX);
        b->streams[b->n_streams].stream = id;
        b->streams[b->n_streams].reset = b->streams[b->n_streams].finished = false;
        buffer_init(&b->streams[b->n_streams].bytes, 64u << 20);
        b->n_streams++;
        host_role.opened(b->host, id, &remote, 64, b->now);
        bench_pump(b);
        return id;
}

void bench_send(struct bench *b, uint64_t stream, const Grid__JobMessage *m) {
        struct buffer payload, framed;

        buffer_init(&payload, 4u << 20);
        buffer_init(&framed, 4u << 20);
        wire_pack(&payload, &m->base);
        frame_put(&framed, buffer_bytes(&payload));
        host_role.data(b->host, stream, buffer_bytes(&framed), b->now);
        buffer_done(&payload);
        buffer_done(&framed);
        bench_pump(b);
}

void bench_close(struct bench *b, uint64_t stream) {
        host_role.closed(b->host, stream, 0, b->now);
        bench_pump(b);
}

void bench_offer(struct bench *b, uint64_t stream, const struct bench_job *j) {
        static char *engines[] = { (char *) BENCH_ENGINE };
        ProtobufCBinaryData roots[] = { { HASH_SIZE, (uint8_t *) j->id.bytes },
                                        { HASH_SIZE, (uint8_t *) j->id.bytes } };
        Grid__Offer offer = GRID__OFFER__INIT;
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;

        offer.job = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) j->id.bytes };
        offer.network = b->core.settings.query.network;
        offer.data_class = (char *) "public";
        offer.comparison = (char *) "class";
        offer.engines = engines;
        offer.n_engines = 1;
        offer.run = j->run;
        offer.roots = roots;
        offer.n_roots = j->n_roots;
        offer.input_bytes = j->input_bytes;
        offer.estimated_memory = j->estimated_memory;
        offer.estimated_cpu_us = j->estimated_cpu_us;
        m.body_case = GRID__JOB_MESSAGE__BODY_OFFER;
        m.offer = &offer;
        bench_send(b, stream, &m);
}

void bench_dispatch(struct bench *b, uint64_t stream, const struct bench_job *j,
                    struct bytes ticket) {
        struct dispatch_statement s = { .job = j->id,
                                        .host = peer_id_bytes(&b->core.self),
                                        .ticket = ticket,
                                        .run = (uint8_t) j->run };
        Grid__Dispatch d = GRID__DISPATCH__INIT;
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        struct signature signature;
        struct buffer bytes;

        buffer_init(&bytes, STATEMENT_BYTES_MAX);
        check(dispatch_encode(&s, &bytes) == STATEMENT_OK);
        signature = sign_make(&b->keys[j->peer].sign_secret, buffer_bytes(&bytes));
        d.ticket = (ProtobufCBinaryData){ ticket.len, (uint8_t *) ticket.data };
        d.descriptor = (ProtobufCBinaryData){ j->descriptor_len, (uint8_t *) j->descriptor };
        d.sql = (char *) j->sql;
        d.statement = (ProtobufCBinaryData){ bytes.len, bytes.data };
        d.signature = (ProtobufCBinaryData){ SIGNATURE_SIZE, signature.bytes };
        d.run = j->run;
        m.body_case = GRID__JOB_MESSAGE__BODY_DISPATCH;
        m.dispatch = &d;
        bench_send(b, stream, &m);
        buffer_done(&bytes);
}

const Grid__JobMessage *bench_next(struct bench *b, uint64_t stream) {
        static const struct unpack_limits limits = { .depth = 8,
                                                     .fields = 4096,
                                                     .memory = 32u << 20 };
        static struct unpacked u;
        struct buffer *bytes = &stream_of(b, stream)->bytes;
        struct bytes in = buffer_bytes(bytes), frame;
        struct frame_reader r;
        size_t used;

        frame_reader_init(&r, LANE_BATCH_MAX);
        if (frame_reader_next(&r, &in, &frame) != FRAME_OK) {
                frame_reader_done(&r);
                return NULL;
        }
        used = bytes->len - in.len;
        unpacked_done(&u);
        check(!wire_unpack(&grid__job_message__descriptor, frame, &limits, &u));
        buffer_consume(bytes, used);
        frame_reader_done(&r);
        return u.message;
}

const Grid__JobMessage *bench_expect(struct bench *b, uint64_t stream,
                                     Grid__JobMessage__BodyCase which) {
        const Grid__JobMessage *m;

        while ((m = bench_next(b, stream)))
                if (m->body_case == which)
                        return m;
        return NULL;
}

void bench_verdict(struct bench *b, const struct bench_job *j, const Grid__Commit *commit,
                   enum verdict verdict, struct bench_verdict *ret) {
        struct verdict_statement s = {
                .job = j->id,
                .host = peer_id_bytes(&b->core.self),
                .verdict = verdict,
                .state = STATE_VERIFIED,
                .mode = MODE_QUORUM,
                .replicas = 3,
                .quorum = 2,
                .voter_group = BYTES_LIT("subnet:192.0.2.0/24"),
                .n_evidence = 1,
                .evidence = { statement_digest(
                        BYTES(commit->statement.data, commit->statement.len)) },
                .time_us = BENCH_WALL,
        };

        buffer_init(&ret->statement, STATEMENT_BYTES_MAX);
        check(verdict_encode(&s, &ret->statement) == STATEMENT_OK);
        ret->signature = sign_make(&b->keys[j->peer].sign_secret, buffer_bytes(&ret->statement));
}

void bench_say_verdict(struct bench *b, uint64_t stream, const struct bench_verdict *v) {
        Grid__Verdict out = GRID__VERDICT__INIT;
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;

        out.statement = (ProtobufCBinaryData){ v->statement.len, v->statement.data };
        out.signature = (ProtobufCBinaryData){ SIGNATURE_SIZE, (uint8_t *) v->signature.bytes };
        m.body_case = GRID__JOB_MESSAGE__BODY_VERDICT;
        m.verdict = &out;
        bench_send(b, stream, &m);
}

bool bench_was_finished(const struct bench *b, uint64_t stream) {
        return stream_of((struct bench *) b, stream)->finished;
}

bool bench_was_reset(const struct bench *b, uint64_t stream) {
        return stream_of((struct bench *) b, stream)->reset;
}

static void note_refusal(struct bench *b, const Grid__Refusal *in) {
        b->refusal.code = in->problem->code;
        b->refusal.has_text = in->problem->text[0] != 0;
        b->refusal.retry_ms = in->retry_ms;
        snprintf(b->refusal.detail, sizeof(b->refusal.detail), "%s", in->problem->detail);
}

uint64_t bench_begin(struct bench *b, const struct bench_job *j) {
        uint64_t stream = bench_open(b, j->peer);
        const Grid__JobMessage *m;
        uint8_t ticket[64];
        size_t len;

        memset(&b->refusal, 0, sizeof(b->refusal));
        bench_offer(b, stream, j);
        m = bench_next(b, stream);
        if (m && m->body_case == GRID__JOB_MESSAGE__BODY_REFUSAL)
                note_refusal(b, m->refusal);
        if (!m || m->body_case != GRID__JOB_MESSAGE__BODY_BID)
                return stream;
        len = m->bid->ticket.len;
        memcpy(ticket, m->bid->ticket.data, len);
        bench_dispatch(b, stream, j, BYTES(ticket, len));
        return stream;
}

/* ---- The worker ---- */

void bench_report(struct bench *b, uint64_t run, const Worker__Report *report) {
        struct buffer packed;

        buffer_init(&packed, 20u << 20);
        wire_pack(&packed, &report->base);
        host_role.report(b->host, run, buffer_bytes(&packed), b->now);
        buffer_done(&packed);
        bench_pump(b);
}

void bench_started(struct bench *b, uint64_t run) {
        Worker__Started started = WORKER__STARTED__INIT;
        Worker__Report report = WORKER__REPORT__INIT;

        report.body_case = WORKER__REPORT__BODY_STARTED;
        report.started = &started;
        bench_report(b, run, &report);
}

void bench_committed(struct bench *b, uint64_t run, unsigned value) {
        Worker__Committed committed = WORKER__COMMITTED__INIT;
        Worker__Report report = WORKER__REPORT__INIT;
        struct hash_value answer =
                hash_of("test.answer", BYTES_OF(((uint8_t[]){ (uint8_t) value })));

        committed.form = ANSWER_SET;
        committed.answer = (ProtobufCBinaryData){ HASH_SIZE, answer.bytes };
        committed.sequence_root = (ProtobufCBinaryData){ HASH_SIZE, answer.bytes };
        committed.batches = b->batches ? b->batches : 1;
        committed.rows = 1;
        committed.bytes = 3;
        committed.engine = (char *) BENCH_ENGINE;
        report.body_case = WORKER__REPORT__BODY_COMMITTED;
        report.committed = &committed;
        bench_report(b, run, &report);
}

void bench_committed_error(struct bench *b, uint64_t run, const char *words) {
        const struct hash_value digest = hash_of("test.schema", BYTES_NONE);
        Worker__Committed committed = WORKER__COMMITTED__INIT;
        Worker__Report report = WORKER__REPORT__INIT;
        struct answer a;

        assert_true(answer_of_error(SQL_ENCODING, 0, &digest, &a));
        committed.form = ANSWER_ERROR;
        committed.answer = (ProtobufCBinaryData){ HASH_SIZE, a.hash.bytes };
        committed.sequence_root = (ProtobufCBinaryData){ HASH_SIZE, a.sequence_root.bytes };
        committed.error = SQL_ENCODING;
        committed.engine = (char *) BENCH_ENGINE;
        committed.text = (char *) words;
        report.body_case = WORKER__REPORT__BODY_COMMITTED;
        report.committed = &committed;
        bench_report(b, run, &report);
}
