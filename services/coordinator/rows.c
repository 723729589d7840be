#include "services/coordinator/rows.h"

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/packed.h"
#include "services/coordinator/requester_core.h"

#define FETCH_BATCHES 2 /* asked of our own worker at once */
#define ASKED_MAX     3 /* times of one host on one stream */

static bool is_local(const struct job *j) {
        return j->plan.is_local;
}

/* ---- Which tier, and who has the rows ---- */

static bool same_result(const struct answer *a, const struct answer *b) {
        return hash_equal(&a->sequence_root, &b->sequence_root) && a->batches == b->batches &&
               a->rows == b->rows && a->bytes == b->bytes;
}

/* Distinct voters that signed this very sequence of batches. */
static unsigned count_signers(const struct job *j, const struct answer *a) {
        unsigned groups[JOB_REPLICAS_MAX], n = 0;

        FOREACH_REPLICA (r, j) {
                unsigned i = 0;

                if (!r->is_vote || !r->agrees || !same_result(&r->answer, a))
                        continue;
                while (i < n && groups[i] != r->group)
                        i++;
                if (i == n)
                        groups[n++] = r->group;
        }
        return n;
}

static void choose_tier(struct job *j) {
        struct rows *rows = &j->rows;
        unsigned most = 0;

        rows->tier = ROWS_STREAM;
        rows->want = j->accepted;
        if (is_local(j))
                return;
        FOREACH_REPLICA (r, j) {
                unsigned n = r->agrees ? count_signers(j, &r->answer) : 0;

                if (n <= most)
                        continue;
                most = n;
                rows->want = r->answer;
        }
        if (most < j->rule.quorum)
                rows->tier = ROWS_SPOOL;
}

/* Until all rows are checked nobody but this host says how much they are: what it may send
 * has room in the spool. */
static bool fits_spool(const struct job *j, const struct replica *r) {
        return j->rows.tier != ROWS_SPOOL || r->answer.bytes <= SET_OF(j)->spool_bytes;
}

static bool may_serve(const struct job *j, const struct replica *r) {
        return r->agrees && !r->is_rows_bad && !r->is_rowless && r->has_lane && !r->is_cancelled &&
               r->stage == REPLICA_COMMITTED && fits_spool(j, r) &&
               (j->rows.tier == ROWS_SPOOL || same_result(&r->answer, &j->rows.want));
}

static struct replica *next_source(const struct job *j) {
        FOREACH_REPLICA (r, j)
                if (may_serve(j, r))
                        return r;
        return NULL;
}

/* ---- Beginning, and beginning again ---- */

static void forget_checks(struct rows *rows) {
        if (rows->has_checker)
                answer_check_done(&rows->checker);
        rows->has_checker = rows->has_digests = false;
        budget_give(&rows->memory, rows->charged);
        rows->charged = 0;
        buffer_done(&rows->digests);
}

static void drop_spool(struct job *j) {
        if (j->rows.spool.id)
                actions_add(ACTIONS(j), ACTION_SPOOL_DROP, j->rows.spool.id);
        handle_close(RQ_OF(j), &j->rows.spool);
        j->rows.n_offsets = 0;
        j->rows.reading = 0;
}

/* From the first batch: of the common sequence, or of what this host has. */
static void begin_checks(struct job *j) {
        struct rows *rows = &j->rows;

        forget_checks(rows);
        answer_check_begin(&rows->checker, &rows->want, j->schema, rows->tier == ROWS_STREAM,
                           &rows->memory);
        rows->has_checker = true;
        rows->expected = 0;
        cached_keep_begin(j);
        if (rows->tier == ROWS_SPOOL) {
                drop_spool(j);
                (void) handle_open(RQ_OF(j), &rows->spool, HANDLE_SPOOL);
        }
}

void rows_done(struct job *j) {
        if (!j->rows.tier)
                return;
        forget_checks(&j->rows);
        drop_spool(j);
        free(j->rows.offsets);
        j->rows = (struct rows){};
}

/* Who signed this answer with another number of rows or bytes signed a lie beside it. */
static void find_false_counts(struct job *j) {
        const struct answer *want = &j->rows.want;

        FOREACH_REPLICA (r, j) {
                if (!r->is_vote || r->is_rows_bad || !hash_equal(&r->answer.hash, &want->hash) ||
                    (r->answer.rows == want->rows && r->answer.bytes == want->bytes))
                        continue;
                r->agrees = false;
                replica_rows_bad(r, j->rows.heard);
        }
}

/* From here on what is known of the answer is what the rows gave. */
static void conclude(struct job *j) {
        if (answer_check_end(&j->rows.checker) != CHECK_OK)
                return;
        j->rows.is_checked = true;
        j->accepted = j->rows.want;
        if (!is_local(j))
                find_false_counts(j);
}

static bool same_sequence(const struct answer *a, const struct answer *b) {
        return hash_equal(&a->sequence_root, &b->sequence_root) && a->batches == b->batches;
}

/* The client has rows of another sequence. On its open channel it is told to forget
 * them; rows from before a restart of ours cannot be taken back. */
static void rows_changed(struct job *j, nsec_t now) {
        if (j->is_restored)
                job_fail(j, OUTCOME_RESTARTED, "", now);
        else
                client_restart(j);
}

void rows_begin(struct job *j, nsec_t now) {
        uint64_t handed = j->client.next_batch;

        rows_done(j);
        choose_tier(j);
        budget_init(&j->rows.memory, SET_OF(j)->set_digest_bytes + (1u << 20), &RQ_OF(j)->held);
        buffer_init(&j->rows.digests, j->rows.want.batches * HASH_SIZE);
        j->rows.heard = now;
        begin_checks(j);
        if (handed > 0 && !(j->has_before && j->rows.tier == ROWS_STREAM &&
                            same_sequence(&j->before, &j->rows.want)))
                rows_changed(j, now);
        if (j->rows.want.batches == 0) /* nothing, or an error of the statement */
                conclude(j);
        if (!is_local(j))
                journal_accepted(j);
}

/* ---- Asking ---- */

static void ask_host(struct job *j, struct replica *r, nsec_t now) {
        struct rows *rows = &j->rows;
        Grid__Rows m = GRID__ROWS__INIT;
        Grid__JobMessage message;

        rows->source = r;
        r->n_asked++;
        rows->sources++;
        if (rows->tier == ROWS_SPOOL) {
                rows->want = r->answer;
                begin_checks(j);
                rows->restarts++;
        }
        if (rows->want.batches == 0) { /* there is nothing to send */
                conclude(j);
                if (!rows->is_checked)
                        replica_rows_bad(r, now);
                return;
        }
        m.from_batch = rows->expected;
        m.codec = PACKED_ZSTD;
        m.digests = rows->tier == ROWS_STREAM && !rows->has_digests;
        budget_give(&rows->memory, rows->charged);
        rows->charged = 0;
        buffer_clear(&rows->digests);
        job_message_init(&message, GRID__JOB_MESSAGE__BODY_ROWS);
        message.rows = &m;
        rows->heard = now;
        rows->is_asked = true;
        replica_send(r, &message, now);
}

static void ask_worker(struct job *j) {
        struct rows *rows = &j->rows;

        if (rows->is_asked || client_is_full(j))
                return;
        rows->is_asked = true;
        job_run_fetch(j, rows->expected, FETCH_BATCHES, !rows->has_digests);
}

/* Streams to all agreeing hosts are gone: one of them is called again. */
static bool call_again(struct job *j, nsec_t now) {
        FOREACH_REPLICA (r, j) {
                struct replica *again;

                if (!r->is_vote || !r->agrees || r->is_rows_bad || r->is_rowless ||
                    !fits_spool(j, r) || r->prospect->attempts >= ATTEMPTS_MAX)
                        continue;
                r->prospect->attempts++;
                again = replica_open(j, r->prospect, r->run, now);
                if (again)
                        again->is_again = true;
                return true;
        }
        return false;
}

static bool has_second_run(const struct job *j, const struct replica *r) {
        FOREACH_REPLICA (other, j)
                if (other->run == 1 && other->prospect == r->prospect)
                        return true;
        return false;
}

/* Let go as others agreed, a host may have signed by then: it does so once for a run, and has
 * no rows of that one. */
static bool was_let_go(const struct job *j, const struct replica *r) {
        if (r->run != 0 || !r->is_cancelled || r->is_rows_bad || !r->dispatch.is_signed)
                return false;
        return r->has_commit ? hash_equal(&r->answer.hash, &j->accepted.hash)
                             : !vote_holder(j, r->prospect);
}

/* Those that agree have let their rows go, as after a long absence of ours, or have false ones:
 * one that has been asked before runs the job once more. Its vote stays the commit it gave,
 * or none; the rows are checked as ever. */
static bool run_again(struct job *j, nsec_t now) {
        FOREACH_REPLICA (r, j) {
                bool has_agreed = r->is_vote && r->agrees && !r->is_rows_bad && fits_spool(j, r);
                struct replica *second;

                if (!(has_agreed || was_let_go(j, r)) || has_second_run(j, r) || now >= j->deadline)
                        continue;
                second = replica_open(j, r->prospect, 1, now);
                if (!second)
                        return false;
                second->is_for_rows = true;
                return true;
        }
        return false;
}

static bool is_calling(const struct job *j) {
        FOREACH_REPLICA (r, j)
                if ((r->is_again || r->is_for_rows) && r->stage < REPLICA_COMMITTED)
                        return true;
        return false;
}

/* All that agree say that it is more than the spool of a job holds. */
static bool is_past_spool(const struct job *j) {
        bool has_any = false;

        FOREACH_REPLICA (r, j) {
                if (!r->is_vote || !r->agrees || r->is_rows_bad)
                        continue;
                if (fits_spool(j, r))
                        return false;
                has_any = true;
        }
        return has_any;
}

static void find_source(struct job *j, nsec_t now) {
        struct replica *r = next_source(j);

        if (r)
                ask_host(j, r, now);
        else if (is_past_spool(j))
                job_fail(j, OUTCOME_LIMIT, "which=spool", now);
        else if (!is_calling(j) && !call_again(j, now) && !vote_recruit(j, now) &&
                 !run_again(j, now))
                j->rows.is_lost = true;
}

void rows_source_lost(struct job *j, struct replica *r) {
        if (j->rows.source == r)
                j->rows.source = NULL;
}

/* A silent source may be tried again later, on another stream. */
static void drop_silent(struct job *j, nsec_t now) {
        struct replica *r = j->rows.source;

        job_event(j, EVENT_INFO, "rows_silent", &r->prospect->candidate.peer);
        r->prospect->attempts++;
        replica_stream_lost(r, now);
}

/* Hosts keep the rows as long as they hear this. */
void rows_hold(struct job *j, nsec_t now) {
        if (!job_due(j, j->hold_at, now))
                return;
        FOREACH_REPLICA (r, j)
                if (r->agrees)
                        replica_hold(r);
        j->hold_at = nsec_add(now, SET_OF(j)->hold_interval);
        (void) job_due(j, j->hold_at, now);
}

static void step_grid(struct job *j, nsec_t now) {
        struct rows *rows = &j->rows;
        bool is_paused = rows->tier == ROWS_STREAM && client_is_full(j);

        rows_hold(j, now);
        if (rows->source)
                lane_hold(&rows->source->lane, is_paused);
        if (rows->source && lane_has_backlog(&rows->source->lane) && !is_paused) {
                rows->heard = now;
                replica_data(rows->source, BYTES_NONE, now);
                if (j->stage == JOB_ROWS)
                        rows_step(j, now);
                return;
        }
        if (is_paused)
                rows->heard = now;
        else if (rows->source && job_due(j, nsec_add(rows->heard, SET_OF(j)->silence_timeout), now))
                drop_silent(j, now);
        if (!rows->source && !is_paused)
                find_source(j, now);
        if (rows->is_lost && j->is_restored)
                job_fail(j, OUTCOME_RESTARTED, "", now);
        else if (rows->is_lost)
                job_fail(j, OUTCOME_TIMEOUT, "stage=rows", now);
}

/* What comes last may come with the last rows: nothing is done before the vote was
 * looked at again. */
void rows_step(struct job *j, nsec_t now) {
        if (!is_local(j) && !vote_still_stands(j)) {
                j->rows.source = NULL;
                j->stage = JOB_GRID;
        } else if (j->rows.is_checked)
                job_close(j, now);
        else if (is_local(j))
                ask_worker(j);
        else
                step_grid(j, now);
}

bool rows_seek(struct job *j, uint64_t batch, nsec_t now) {
        struct rows *rows = &j->rows;

        if (rows->tier != ROWS_STREAM) /* the order of a spool from before a restart is lost */
                return batch <= rows->want.batches && (batch == 0 || !j->is_restored);
        if (batch == rows->expected)
                return true;
        if (batch > rows->expected) /* those before are fetched, checked, and not sent again */
                return j->has_before && same_sequence(&j->before, &rows->want) &&
                       batch <= rows->want.batches;
        if (rows->is_checked || (j->stage != JOB_ROWS && j->stage != JOB_GRID))
                return false;
        rows->expected = batch;
        rows->source = NULL;
        rows->is_asked = false;
        return true;
}

/* ---- What a source sends ---- */

/* What is out of order may be the answer to an earlier question, on this stream or on one
 * that the host gave up for it: it is passed over, and does not count as being heard. */
bool rows_on_digests(struct job *j, uint64_t first, struct bytes digests, nsec_t now) {
        struct rows *rows = &j->rows;

        if (rows->tier != ROWS_STREAM || rows->has_digests)
                return true;
        if (first != rows->digests.len / HASH_SIZE)
                return true;
        if (digests.len == 0 || digests.len % HASH_SIZE != 0 ||
            rows->digests.len + digests.len > rows->want.batches * HASH_SIZE)
                return false;
        rows->heard = now;
        if (budget_take(&rows->memory, digests.len)) {
                job_fail(j, OUTCOME_LIMIT, "which=memory", now);
                return true;
        }
        rows->charged += digests.len;
        buffer_put_bytes(&rows->digests, digests);
        if (rows->digests.len < rows->want.batches * HASH_SIZE)
                return true;
        rows->has_digests =
                answer_check_digests(&rows->checker, buffer_bytes(&rows->digests)) == CHECK_OK;
        budget_give(&rows->memory, rows->charged);
        rows->charged = 0;
        buffer_done(&rows->digests);
        buffer_init(&rows->digests, rows->want.batches * HASH_SIZE);
        return rows->has_digests;
}

/* A batch that was handed out before, for a client that came back. */
static bool is_known_batch(const struct rows *rows, uint64_t index, struct bytes batch) {
        struct hash_value digest = batch_digest(batch);

        return rows->has_digests && hash_equal(&digest, &rows->checker.digests[index]);
}

static void spool_write(struct job *j, struct bytes batch) {
        struct rows *rows = &j->rows;

        if (rows->n_offsets + 2 > rows->offsets_capacity) {
                rows->offsets_capacity = rows->offsets_capacity ? rows->offsets_capacity * 2 : 64;
                rows->offsets =
                        xrealloc(rows->offsets, rows->offsets_capacity * sizeof(rows->offsets[0]));
        }
        if (rows->n_offsets == 0)
                rows->offsets[rows->n_offsets++] = 0;
        rows->offsets[rows->n_offsets] = rows->offsets[rows->n_offsets - 1] + batch.len;
        rows->n_offsets++;
        actions_add_data(ACTIONS(j), ACTION_SPOOL_WRITE, rows->spool.id, refbuf_new(batch));
}

static bool check_new(struct job *j, uint64_t index, struct bytes batch) {
        struct rows *rows = &j->rows;

        if (answer_check_batch(&rows->checker, batch) != CHECK_OK)
                return false;
        if (rows->tier == ROWS_SPOOL)
                spool_write(j, batch);
        cached_keep(j, batch);
        return true;
}

bool rows_on_batch(struct job *j, const struct rows_batch *b, nsec_t now) {
        CLEANUP(freep) uint8_t *memory = NULL;
        struct rows *rows = &j->rows;
        struct bytes batch;

        if (rows->is_checked || (b->index != rows->expected && b->index < rows->want.batches))
                return true; /* was on its way when another place was asked for */
        if (rows->tier == ROWS_STREAM && !rows->has_digests)
                return true;
        if (b->index != rows->expected ||
            packed_open(&b->packed, ROW_BYTES_MAX, &memory, &batch) != PACKED_OK)
                return false;
        if (b->index < rows->checker.batches ? !is_known_batch(rows, b->index, batch)
                                             : !check_new(j, b->index, batch))
                return false;
        rows->heard = now;
        rows->expected++;
        if (rows->tier == ROWS_STREAM)
                client_batch(j, b->index, batch);
        if (rows->tier == ROWS_STREAM && rows->source && client_is_full(j))
                lane_hold(&rows->source->lane, true);
        if (!j->first_row)
                j->first_row = now;
        if (rows->expected < rows->want.batches)
                return true;
        conclude(j);
        return rows->is_checked;
}

/* Too early, it may be the end of an earlier answer: asked again, a few times. */
void rows_on_end(struct job *j, nsec_t now) {
        struct rows *rows = &j->rows;

        if (rows->is_checked || rows->expected == rows->want.batches)
                return;
        if (rows->source->n_asked < ASKED_MAX)
                ask_host(j, rows->source, now);
        else
                drop_silent(j, now);
}

void rows_on_spool(struct job *j, struct bytes data, nsec_t now) {
        struct rows *rows = &j->rows;
        uint64_t index = rows->reading - 1;

        if (data.len == 0) {
                job_event(j, EVENT_WARNING, "spool_failed", NULL);
                job_fail(j, OUTCOME_LIMIT, "which=spool", now);
                return;
        }
        if (rows->reading == 0)
                return;
        rows->reading = 0;
        client_batch(j, index, data);
}

/* SET only: the next batch for the client, one at a time. */
void rows_pump(struct job *j) {
        struct rows *rows = &j->rows;
        uint64_t next = j->client.next_batch;
        struct action *a;

        if (rows->tier == ROWS_CACHED)
                cached_pump(j);
        if (rows->tier != ROWS_SPOOL || !rows->is_checked || rows->reading || client_is_full(j) ||
            next >= rows->want.batches)
                return;
        rows->reading = next + 1;
        a = actions_add(ACTIONS(j), ACTION_SPOOL_READ, rows->spool.id);
        a->offset = rows->offsets[next];
        a->n = rows->offsets[next + 1] - rows->offsets[next];
}
