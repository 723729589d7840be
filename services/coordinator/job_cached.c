/* Answers that were verified before: looked up once it is known what a job asks, checked as if
 * a stranger had sent them, and given with their own receipt; and kept, when a job has agreed
 * on one that will be the same tomorrow. */

#include "common/base/memory.h"
#include "services/coordinator/denied.h"
#include "services/coordinator/requester_core.h"

#define MEMORY_MAX (UINT64_C(64) << 20)
#define HEADROOM   65536u                  /* the receipt of a few hosts, and frames of batches */
#define AHEAD_MAX  (60 * INT64_C(1000000)) /* µs that a verdict may be ahead of the clock */
#define HOST_TEXT  (DESCRIPTOR_TEXT_MAX + 1)

struct cached_served {
        struct refbuf *file;
        struct cached_answer answer;
        uint64_t age_us;
        struct qrows_reader reader; /* before batch `at` */
        uint64_t at;
        struct {
                char engine[HOST_TEXT], voter[HOST_TEXT];
                struct peer_id peer;
                uint64_t committed_us;
                enum verdict verdict;
        } hosts[RECEIPT_VOTERS_MAX];
};

static struct answers_counters *counters_of(struct job *j) {
        return &RQ_OF(j)->cached.counters;
}

void cached_all_init(struct cached_all *all) {
        *all = (struct cached_all){};
        budget_init(&all->memory, MEMORY_MAX, NULL);
}

const struct answers_counters *requester_answers(const void *role) {
        const struct requester *rq = role;

        return &rq->cached.counters;
}

/* ---- Which jobs ---- */

/* An answer of this job is one that two askers may share: checked by a quorum, of the data and
 * the statement alone, and no secret that was to leave no trace on a disk. */
static bool is_lasting(const struct job *j) {
        const struct plan *p = &j->plan;

        return SET_OF(j)->answers_bytes > 0 && j->is_repeatable && !j->is_explain &&
               j->rule.mode != MODE_FAST && j->data_class != DATA_SENSITIVE && !p->is_local &&
               (!p->error || p->error == OUTCOME_NO_CANDIDATES ||
                p->error == OUTCOME_TOO_FEW_HOSTS);
}

static bool wants_kept(const struct job *j) {
        const char *asked = j->request->cache;

        return *asked ? strcmp(asked, "on") == 0 : SET_OF(j)->use_answers;
}

static bool fill_key(struct job *j, struct bytes hosts[JOB_PROSPECTS_MAX],
                     struct cached_question *ret) {
        const Coordinator__SubmitRequest *r = j->request;

        for (size_t i = 0; i < r->n_hosts; i++)
                hosts[i] = BYTES(r->hosts[i].data, r->hosts[i].len);
        *ret = (struct cached_question){ .descriptor = buffer_bytes(&j->descriptor),
                                         .rule = j->rule,
                                         .independence = SET_OF(j)->independence,
                                         .class_name = j->class_name,
                                         .engine = j->engine,
                                         .wanted = r->engines,
                                         .n_wanted = r->n_engines,
                                         .hosts = hosts,
                                         .n_hosts = r->n_hosts };
        return cached_key(ret, &j->cached.key);
}

bool cached_ask(struct job *j) {
        struct bytes hosts[JOB_PROSPECTS_MAX];
        struct cached_question q;
        struct action *a;
        bool is_wanted = wants_kept(j);

        if (!is_lasting(j) || (!is_wanted && !j->request->cache[0]) || !fill_key(j, hosts, &q))
                return false;
        j->cached.may_keep = true;
        j->cached.only_anew = !is_wanted;
        if (!is_wanted)
                return false;
        j->stage = JOB_RECALLING;
        a = actions_add(ACTIONS(j), ACTION_ANSWER_FIND,
                        handle_open(RQ_OF(j), &j->cached.find, HANDLE_CACHED));
        a->hash = j->cached.key;
        return true;
}

void cached_step(struct job *j, nsec_t now) {
}

/* ---- Is it one? ---- */

/* Who is known to have signed two answers to one question has signed this one, too; and whom
 * this node's people refuse, they do not want to hear. */
static bool is_distrusted(const struct job *j, const struct cached_answer *a) {
        for (size_t i = 0; i < a->report.receipt.n_hosts; i++) {
                const struct peer_id peer = peer_id_from_ed25519(&a->report.receipt.hosts[i].key);

                if (trust_is_proved_liar(RQ_OF(j)->trust, &peer) ||
                    denied_has(RQ_OF(j)->core->denied, &peer))
                        return true;
        }
        return false;
}

typedef uint64_t (*voter_fn)(const struct job *j, const struct receipt_host *h,
                             const struct verdict_statement *v);

static uint64_t voter_then(const struct job *j, const struct receipt_host *h,
                           const struct verdict_statement *v) {
        return candidate_claim(v->voter_group);
}

/* By the rule of today and where the host says that it is; of those that do not say, as then. */
static uint64_t voter_now(const struct job *j, const struct receipt_host *h,
                          const struct verdict_statement *v) {
        const struct requester *rq = RQ_OF(j);
        const struct peer_id peer = peer_id_from_ed25519(&h->key);
        const struct candidate *c = candidate_find(rq->candidates, rq->n_candidates, &peer);

        return c && c->n_addresses > 0 ? voter_claimed(c, SET_OF(j)->independence)
                                       : voter_then(j, h, v);
}

static unsigned count_voters(const struct job *j, const struct cached_answer *a, voter_fn voter) {
        uint64_t voters[RECEIPT_VOTERS_MAX];
        unsigned n = 0;

        for (size_t i = 0; i < a->report.receipt.n_hosts; i++) {
                const struct receipt_host *h = &a->report.receipt.hosts[i];
                struct verdict_statement v;
                unsigned k = 0;

                if (!h->counted || !receipt_verdict(&a->report, i, &v))
                        continue;
                voters[n] = voter(j, h, &v);
                while (voters[k] != voters[n])
                        k++;
                n += k == n;
        }
        return n;
}

/* No receipt says whether voters were counted by subnet, so they are counted again. What hosts
 * claim today makes fewer of those that were measured then, never more. */
static bool is_independent(const struct job *j, const struct cached_answer *a) {
        return count_voters(j, a, voter_then) >= j->rule.quorum &&
               count_voters(j, a, voter_now) >= j->rule.quorum;
}

static bool is_expired(const struct job *j, const struct cached_answer *a, int64_t wall) {
        int64_t age = wall - a->time_us;

        return age < -AHEAD_MAX || age > (int64_t) (SET_OF(j)->answers_age / NSEC_PER_USEC);
}

static void drop(struct job *j, uint64_t *counter) {
        struct action *a = actions_add(ACTIONS(j), ACTION_ANSWER_DROP, 0);

        ++*counter;
        a->hash = j->cached.key;
}

static void say_damaged(struct job *j, const struct cached_answer *a) {
        const struct event e = { .level = EVENT_WARNING,
                                 .name = "kept_answer_damaged",
                                 .text = a->fault ? a->fault : "no question has its key",
                                 .more = a->check,
                                 .kept = j->cached.key };

        actions_event(ACTIONS(j), &e);
}

/* Whether what was kept may be given; if not, it goes. */
static bool is_good(struct job *j, struct cached_served *s, nsec_t now) {
        int64_t wall = core_wall_us(RQ_OF(j)->core, now);
        struct bytes hosts[JOB_PROSPECTS_MAX];
        struct cached_question q;

        if (!fill_key(j, hosts, &q) ||
            cached_check(refbuf_bytes(s->file), &q, &j->cached.key, &s->answer) != CACHED_OK) {
                say_damaged(j, &s->answer);
                drop(j, &counters_of(j)->damaged);
                return false;
        }
        if (is_distrusted(j, &s->answer)) {
                drop(j, &counters_of(j)->distrusted);
                return false;
        }
        if (!is_independent(j, &s->answer)) { /* it stays: a claim alone takes nothing away */
                counters_of(j)->distrusted++;
                return false;
        }
        if (is_expired(j, &s->answer, wall)) {
                drop(j, &counters_of(j)->expired);
                return false;
        }
        s->age_us = wall > s->answer.time_us ? (uint64_t) (wall - s->answer.time_us) : 0;
        return true;
}

static void copy_text(struct bytes from, char ret[HOST_TEXT]) {
        size_t n = from.len < HOST_TEXT ? from.len : HOST_TEXT - 1;

        memcpy(ret, from.data, n);
        ret[n] = 0;
}

static void take_hosts(struct cached_served *s) {
        const struct receipt *r = &s->answer.report.receipt;

        for (size_t i = 0; i < r->n_hosts; i++) {
                struct verdict_statement v;
                struct commit_statement c;

                s->hosts[i].peer = peer_id_from_ed25519(&r->hosts[i].key);
                if (commit_decode(r->hosts[i].commit, &c) == STATEMENT_OK)
                        copy_text(c.engine_class, s->hosts[i].engine);
                if (!receipt_verdict(&s->answer.report, i, &v))
                        continue;
                copy_text(v.voter_group, s->hosts[i].voter);
                s->hosts[i].committed_us = v.committed_us;
                s->hosts[i].verdict = v.verdict;
        }
}

static struct cached_served *served_free(struct cached_served *s) {
        if (s)
                refbuf_unref(s->file);
        free(s);
        return NULL;
}
DEFINE_CLEANUP(struct cached_served *, served_free);

/* NULL: there is none that may be given. */
static struct cached_served *serve(struct job *j, struct bytes file, nsec_t now) {
        CLEANUP(served_freep) struct cached_served *s = NULL;

        if (file.len == 0)
                return NULL;
        if (budget_take(&RQ_OF(j)->cached.memory, file.len)) {
                counters_of(j)->no_room++;
                return NULL;
        }
        s = xnew(struct cached_served);
        s->file = refbuf_new(file);
        if (!is_good(j, s, now)) {
                budget_give(&RQ_OF(j)->cached.memory, file.len);
                return NULL;
        }
        take_hosts(s);
        return TAKE(s);
}

/* ---- Given again ---- */

/* Its receipt is there, whatever became of the file it was in. */
static void restore_receipt(struct job *j) {
        struct action *a = actions_add(ACTIONS(j), ACTION_RECEIPT,
                                       handle_open(RQ_OF(j), &j->receipt, HANDLE_RECEIPT));

        a->hash = *cached_receipt_of(j);
        a->n = RECEIPT_UNLESS_THERE;
        a->data = refbuf_new(j->cached.served->answer.receipt);
}

static void give(struct job *j, nsec_t now) {
        const struct cached_answer *a = &j->cached.served->answer;

        j->plan = (struct plan){ .reason = "cached",
                                 .sentence = "the same was verified here before" };
        j->accepted = *a->report.answer;
        j->accepted.batches = a->batches;
        j->accepted.bytes = a->n_bytes;
        j->is_accepted = true;
        j->rows.tier = ROWS_CACHED;
        j->rows.want = j->accepted;
        j->rows.is_checked = true;
        j->first_row = a->n_rows > 0 ? now : 0;
        job_enter(j);
        restore_receipt(j);
        job_close(j, now);
}

void requester_cached(void *role, uint64_t id, struct bytes file, nsec_t now) {
        struct requester *rq = role;
        struct handle *h = map_get_u64(rq->handles, id);
        struct job *j;

        if (!h || h->kind != HANDLE_CACHED)
                return;
        j = container_of(h, struct job, cached.find);
        handle_close(rq, h);
        j->cached.served = serve(j, file, now);
        if (j->cached.served) {
                rq->cached.counters.hits++;
                give(j, now);
        } else {
                rq->cached.counters.misses++;
                job_enter(j);
                job_route(j, now);
        }
        job_step(j, now);
}

void cached_pump(struct job *j) {
        struct cached_served *s = j->cached.served;
        struct bytes batch;

        while (!client_is_full(j) && j->client.next_batch < s->answer.batches) {
                if (s->at > j->client.next_batch || !s->reader.reader.data) {
                        (void) qrows_open(&s->reader, s->answer.rows);
                        s->at = 0;
                }
                if (qrows_next(&s->reader, &batch) != QROWS_OK) /* was read whole before */
                        return;
                client_batch(j, s->at++, batch);
        }
}

bool cached_is_served(const struct job *j) {
        return j->cached.served;
}

const struct hash_value *cached_receipt_of(const struct job *j) {
        return cached_is_served(j) ? &j->cached.served->answer.report.job : &j->id;
}

void cached_end(const struct job *j, struct job_end *ret) {
        const struct cached_served *s = j->cached.served;
        const struct receipt_report *r = &s->answer.report;
        Coordinator__ResultEnd *e = &ret->end;

        e->cached_job = binary(hash_bytes(&r->job));
        e->cached_age_us = s->age_us;
        e->route = (char *) "cache";
        e->confidence = (char *) (s->answer.has_strangers ? "strangers" : "");
        e->agreement = r->agreement;
        e->quorum = r->quorum;
        e->replicas = r->replicas;
        e->diverse = s->answer.engines;
        for (size_t i = 0; i < r->receipt.n_hosts; i++) {
                Coordinator__HostReport *h = &ret->reports[i];

                coordinator__host_report__init(h);
                h->peer = binary(peer_id_bytes(&s->hosts[i].peer));
                if (r->receipt.hosts[i].commit.len > 0)
                        h->answer = binary(hash_bytes(&r->receipt.hosts[i].answer.hash));
                h->verdict =
                        (char *) (s->hosts[i].verdict ? verdict_name(s->hosts[i].verdict) : "");
                h->elapsed_us = s->hosts[i].committed_us;
                h->engine = (char *) s->hosts[i].engine;
                h->voter = (char *) s->hosts[i].voter;
                h->counted = r->receipt.hosts[i].counted;
                ret->report_list[i] = h;
        }
        e->hosts = ret->report_list;
        e->n_hosts = r->receipt.n_hosts;
}

/* ---- Kept ---- */

void cached_keep_end(struct job *j) {
        buffer_done(&j->cached.rows);
        budget_give(&RQ_OF(j)->cached.memory, j->cached.charged);
        j->cached.charged = 0;
        j->cached.is_keeping = false;
}

void cached_keep_begin(struct job *j) {
        uint64_t n = j->rows.want.bytes + j->schema->encoded.len + HEADROOM;

        cached_keep_end(j);
        if (!j->cached.may_keep)
                return;
        if (j->rows.want.bytes > SET_OF(j)->answers_entry) {
                counters_of(j)->too_large++;
                return;
        }
        if (budget_take(&RQ_OF(j)->cached.memory, n)) {
                counters_of(j)->no_room++;
                return;
        }
        j->cached.charged = n;
        buffer_init(&j->cached.rows, n);
        qrows_begin(&j->cached.writer, j->schema->encoded, &j->cached.rows);
        j->cached.is_keeping = true;
}

void cached_keep(struct job *j, struct bytes batch) {
        if (j->cached.is_keeping)
                qrows_put(&j->cached.writer, batch, &j->cached.rows);
}

/* A dissent, though it was outvoted, is reason enough to ask anew the next time. So is an error:
 * what brought it about may be gone. */
static bool is_worth_keeping(const struct job *j) {
        struct tally t;

        quorum_tally(&j->quorum, &t);
        return j->accepted.form != ANSWER_ERROR && t.answers == 1 && j->stage == JOB_CLOSING &&
               j->state == STATE_VERIFIED && !j->was_contested && j->rows.is_checked &&
               j->cached.writer.batches == j->rows.want.batches;
}

void cached_store(struct job *j, struct bytes receipt) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct action *a;

        if (!j->cached.is_keeping)
                return;
        if (is_worth_keeping(j)) {
                qrows_end(&j->cached.writer, &j->cached.rows);
                buffer_init(&b, j->cached.rows.len + receipt.len + HEADROOM);
                cached_begin_file(receipt, j->has_strangers, &b);
                buffer_put_bytes(&b, buffer_bytes(&j->cached.rows));
                if (b.failed || j->cached.rows.failed || b.len > SET_OF(j)->answers_entry) {
                        counters_of(j)->too_large++;
                } else {
                        a = actions_add(ACTIONS(j), ACTION_ANSWER_KEEP, 0);
                        a->hash = j->cached.key;
                        a->n = j->cached.only_anew ? ANSWER_ONLY_ANEW : 0;
                        a->data = refbuf_new(buffer_bytes(&b));
                }
        }
        cached_keep_end(j);
}

void cached_done(struct job *j) {
        struct cached_served *s = j->cached.served;

        handle_close(RQ_OF(j), &j->cached.find);
        cached_keep_end(j);
        if (s)
                budget_give(&RQ_OF(j)->cached.memory, s->file->len);
        j->cached.served = served_free(s);
}
