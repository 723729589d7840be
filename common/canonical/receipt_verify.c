/* Whether a receipt is true, check by check, with nothing but its own bytes. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/qrows.h"
#include "common/canonical/receipt.h"
#include "common/wire/peerid.h"

struct verification {
        struct bytes file, rows;
        struct receipt_report *report;
        struct hash_value salt;
        char *detail; /* of the check that is running */
};

static bool fail(struct verification *v, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static bool fail(struct verification *v, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void) vsnprintf(v->detail, sizeof(v->report->checks[0].detail), format, args);
        va_end(args);
        return false;
}

static bool fail_host(struct verification *v, size_t i, const char *what) {
        struct peer_id id = peer_id_from_ed25519(&v->report->receipt.hosts[i].key);
        char text[PEER_ID_TEXT_SIZE];

        return fail(v, "host %zu (%s): %s", i + 1, peer_id_text(&id, text), what);
}

static bool is_peer_of(struct bytes id, const struct sign_public *key) {
        struct peer_id peer = peer_id_from_ed25519(key);

        return bytes_equal(id, peer_id_bytes(&peer));
}

static bool check_checksum(struct verification *v) {
        struct hash_value sum;

        if (v->file.len < HASH_SIZE)
                return fail(v, "shorter than a checksum");
        sum = hash_of("quorate.rcpt.1", BYTES(v->file.data, v->file.len - HASH_SIZE));
        if (memcmp(sum.bytes, v->file.data + v->file.len - HASH_SIZE, HASH_SIZE) != 0)
                return fail(v, "the file was changed or cut; get another copy of it");
        return true;
}

static bool check_format(struct verification *v) {
        return receipt_decode(v->file, &v->report->receipt) ||
               fail(v, "not a receipt of version %u", RECEIPT_VERSION);
}

static bool check_descriptor(struct verification *v) {
        struct receipt_report *report = v->report;
        const char *field = "its layout";

        if (descriptor_decode(report->receipt.descriptor, &report->descriptor, &field))
                return fail(v, "not canonical: %s", field);
        report->job = job_id(report->receipt.descriptor);
        v->salt = job_salt(report->receipt.descriptor);
        return is_peer_of(report->descriptor.requester, &report->receipt.requester) ||
               fail(v, "the requester's key is another peer's");
}

static bool check_query(struct verification *v) {
        struct hash_value query = query_hash(v->report->receipt.sql);

        return hash_equal(&query, &v->report->descriptor.query) ||
               fail(v, "the SQL is not the one the job was about");
}

static bool check_dispatch(struct verification *v) {
        const struct receipt *r = &v->report->receipt;

        for (size_t i = 0; i < r->n_hosts; i++) {
                const struct receipt_host *h = &r->hosts[i];
                struct signed_statement s = { h->dispatch, h->dispatch_signature, r->requester };
                struct dispatch_statement dispatch;

                if (dispatch_decode(h->dispatch, &dispatch))
                        return fail_host(v, i, "its dispatch is not one");
                if (!hash_equal(&dispatch.job, &v->report->job))
                        return fail_host(v, i, "its dispatch is of another job");
                if (!is_peer_of(dispatch.host, &h->key))
                        return fail_host(v, i, "its dispatch is for another host");
                if (!statement_verify(&s))
                        return fail_host(v, i,
                                         "the requester's signature of its dispatch is wrong");
        }
        return true;
}

static bool check_commit(struct verification *v) {
        const struct receipt *r = &v->report->receipt;

        for (size_t i = 0; i < r->n_hosts; i++) {
                const struct receipt_host *h = &r->hosts[i];
                struct signed_statement s = { h->commit, h->commit_signature, h->key };
                struct dispatch_statement dispatch;
                struct commit_statement commit;

                if (h->commit.len == 0)
                        continue;
                if (commit_decode(h->commit, &commit))
                        return fail_host(v, i, "its commit is not one");
                if (!hash_equal(&commit.job, &v->report->job))
                        return fail_host(v, i, "its commit is of another job");
                if (!is_peer_of(commit.host, &h->key))
                        return fail_host(v, i, "its commit is of another host");
                if (!statement_verify(&s))
                        return fail_host(v, i, "its signature of the commit is wrong");
                if (dispatch_decode(h->dispatch, &dispatch) || dispatch.run != commit.run)
                        return fail_host(v, i, "dispatch and commit are of different runs");
        }
        return true;
}

/* An ERROR's hash follows from code and position; of rows it is shown by rows. */
static bool answer_is_plausible(const struct answer *a, const struct hash_value *schema_digest) {
        struct answer error;

        if (a->form == ANSWER_SET || a->form == ANSWER_SEQUENCE)
                return a->error == 0 && a->position == 0 && a->batches <= a->rows &&
                       a->rows <= a->bytes;
        return a->form == ANSWER_ERROR &&
               answer_of_error(a->error, a->position, schema_digest, &error) &&
               hash_equal(&error.hash, &a->hash) &&
               hash_equal(&error.sequence_root, &a->sequence_root) && a->rows == 0 &&
               a->batches == 0 && a->bytes == 0;
}

/* A SEQUENCE's answer follows from its root. */
bool receipt_answer_is_whole(const struct answer *a, const struct hash_value *schema_digest) {
        struct hash_value hash;

        if (!answer_is_plausible(a, schema_digest))
                return false;
        if (a->form != ANSWER_SEQUENCE)
                return true;
        hash = answer_hash(a->form, schema_digest, a->rows, &a->sequence_root);
        return hash_equal(&hash, &a->hash);
}

static bool check_tags(struct verification *v) {
        const struct receipt *r = &v->report->receipt;
        struct hash_value schema = schema_digest(v->report->descriptor.schema);

        for (size_t i = 0; i < r->n_hosts; i++) {
                const struct receipt_host *h = &r->hosts[i];
                struct hash_value tag = answer_tag(&v->salt, &h->answer);
                struct hash_value result_tag = answer_result_tag(&v->salt, &h->answer);
                struct commit_statement commit;

                if (h->commit.len == 0)
                        continue;
                if (commit_decode(h->commit, &commit) || !hash_equal(&tag, &commit.answer_tag))
                        return fail_host(v, i, "it signed another answer than the one shown");
                if (!hash_equal(&result_tag, &commit.result_tag))
                        return fail_host(v, i, "it signed another root or count than shown");
                if (!receipt_answer_is_whole(&h->answer, &schema))
                        return fail_host(v, i, "its answer contradicts itself");
        }
        return true;
}

static bool form_is_allowed(const struct descriptor *d, const struct answer *a) {
        if (a->form == ANSWER_ERROR)
                return d->comparison != COMPARISON_PORTABLE;
        if (d->ordered)
                return a->form == ANSWER_SEQUENCE;
        if (a->form == ANSWER_SET)
                return a->rows <= ANSWER_SET_ROWS;
        return a->rows > ANSWER_SET_ROWS && d->comparison == COMPARISON_CLASS;
}

static bool is_too_large(uint64_t n, uint64_t limit) {
        return limit && n > limit;
}

bool receipt_answer_is_allowed(const struct descriptor *d, const struct answer *a) {
        return form_is_allowed(d, a) && !is_too_large(a->rows, d->limits.rows) &&
               !is_too_large(a->bytes, d->limits.bytes);
}

static bool class_is_admitted(const struct descriptor *d, struct bytes engine_class) {
        for (size_t i = 0; i < d->n_classes; i++)
                if (bytes_equal(d->classes[i], engine_class))
                        return true;
        return d->n_classes == 0;
}

static bool check_form(struct verification *v) {
        const struct receipt *r = &v->report->receipt;
        const struct descriptor *d = &v->report->descriptor;

        for (size_t i = 0; i < r->n_hosts; i++) {
                const struct receipt_host *h = &r->hosts[i];
                struct commit_statement commit;

                if (!h->counted)
                        continue;
                if (commit_decode(h->commit, &commit) || !class_is_admitted(d, commit.engine_class))
                        return fail_host(v, i, "its engine class was not admitted");
                if (!receipt_answer_is_allowed(d, &h->answer))
                        return fail_host(v, i, "its answer has a form or size the job forbids");
        }
        return true;
}

static bool check_verdict(struct verification *v) {
        const struct receipt *r = &v->report->receipt;

        for (size_t i = 0; i < r->n_hosts; i++) {
                const struct receipt_host *h = &r->hosts[i];
                struct signed_statement s = { h->verdict, h->verdict_signature, r->requester };
                struct verdict_statement verdict;

                if (h->verdict.len == 0)
                        continue;
                if (verdict_decode(h->verdict, &verdict))
                        return fail_host(v, i, "its verdict is not one");
                if (!hash_equal(&verdict.job, &v->report->job))
                        return fail_host(v, i, "its verdict is of another job");
                if (!is_peer_of(verdict.host, &h->key))
                        return fail_host(v, i, "its verdict is about another host");
                if (!statement_verify(&s))
                        return fail_host(v, i, "the requester's signature of its verdict is wrong");
        }
        return true;
}

static bool is_commit_here(const struct receipt *r, const struct hash_value *digest) {
        for (size_t i = 0; i < r->n_hosts; i++) {
                struct hash_value here = statement_digest(r->hosts[i].commit);

                if (r->hosts[i].commit.len > 0 && hash_equal(&here, digest))
                        return true;
        }
        return false;
}

static unsigned run_of(const struct receipt_host *h) {
        struct commit_statement commit;

        return commit_decode(h->commit, &commit) ? 0 : commit.run;
}

static bool has_other_first_run(const struct receipt *r, const struct receipt_host *h) {
        for (size_t i = 0; i < r->n_hosts; i++) {
                const struct receipt_host *o = &r->hosts[i];

                if (o->commit.len > 0 && run_of(o) == 0 &&
                    memcmp(&o->key, &h->key, sizeof(o->key)) == 0 &&
                    !hash_equal(&o->answer.hash, &h->answer.hash))
                        return true;
        }
        return false;
}

/* `correct` of a first run, and `inconclusive` where nothing but a host's word stands for the
 * answer (TRUSTED, UNVERIFIED). A re-check is counted in `unanimous` alone, where a dissent
 * that did not stand is the host's own two commits: both are here. 0: not to be counted. */
static enum verdict verdict_of_counted(const struct receipt_report *report, size_t i) {
        const struct receipt_host *h = &report->receipt.hosts[i];

        if (run_of(h) == 0)
                return report->state == STATE_VERIFIED ? VERDICT_CORRECT : VERDICT_INCONCLUSIVE;
        return report->mode == MODE_UNANIMOUS && has_other_first_run(&report->receipt, h)
                       ? VERDICT_HARDWARE
                       : 0;
}

static bool verdict_fits(struct verification *v, size_t i, const struct verdict_statement *s) {
        struct receipt_report *report = v->report;

        if (report->state == 0) {
                report->state = s->state;
                report->mode = s->mode;
                report->replicas = s->replicas;
                report->quorum = s->quorum;
        }
        if (s->state != report->state || s->mode != report->mode ||
            s->replicas != report->replicas || s->quorum != report->quorum)
                return fail_host(v, i, "its verdict tells another outcome than the others");
        for (size_t j = 0; j < s->n_evidence; j++)
                if (!is_commit_here(&report->receipt, &s->evidence[j]))
                        return fail_host(v, i, "its verdict rests on a commit that is not here");
        if (report->receipt.hosts[i].counted && s->verdict != verdict_of_counted(report, i))
                return fail_host(v, i, "it was counted, but its verdict says otherwise");
        return true;
}

static bool check_verdicts_agree(struct verification *v) {
        const struct receipt *r = &v->report->receipt;

        for (size_t i = 0; i < r->n_hosts; i++) {
                struct verdict_statement s;

                if (r->hosts[i].verdict.len == 0 && r->hosts[i].counted)
                        return fail_host(v, i, "it was counted without a verdict");
                if (r->hosts[i].verdict.len == 0)
                        continue;
                if (verdict_decode(r->hosts[i].verdict, &s) || !verdict_fits(v, i, &s))
                        return false;
        }
        return v->report->state || fail(v, "there is no verdict that says how the job ended");
}

static bool same_voter(const struct receipt_host *a, const struct receipt_host *b) {
        struct verdict_statement x, y;

        if (memcmp(&a->key, &b->key, sizeof(a->key)) == 0)
                return true;
        if (verdict_decode(a->verdict, &x) || verdict_decode(b->verdict, &y))
                return false;
        return x.voter_group.len > 0 && bytes_equal(x.voter_group, y.voter_group);
}

static bool check_distinct_voters(struct verification *v) {
        const struct receipt *r = &v->report->receipt;

        for (size_t i = 0; i < r->n_hosts; i++)
                for (size_t j = 0; j < i; j++) {
                        const struct receipt_host *a = &r->hosts[i], *b = &r->hosts[j];

                        if (a->counted && b->counted && same_voter(a, b))
                                return fail_host(v, i, "it is the same voter as one before it");
                        if (memcmp(&a->key, &b->key, sizeof(a->key)) == 0 && run_of(a) == run_of(b))
                                return fail_host(v, i, "one run of it is here twice");
                }
        return true;
}

static bool check_equal_answers(struct verification *v) {
        struct receipt_report *report = v->report;
        const struct receipt *r = &report->receipt;

        for (size_t i = 0; i < r->n_hosts; i++) {
                if (!r->hosts[i].counted)
                        continue;
                if (!report->answer)
                        report->answer = &r->hosts[i].answer;
                if (!hash_equal(&report->answer->hash, &r->hosts[i].answer.hash))
                        return fail_host(v, i, "its answer is not the one of the others counted");
                report->agreement++;
        }
        return true;
}

/* Whether this host's answer stood against the one accepted: every other answer does,
 * whatever its verdict, but for a voter that is counted: it has one vote. */
static bool is_dissent(const struct receipt_report *report, const struct receipt_host *h) {
        const struct receipt *r = &report->receipt;

        if (h->commit.len == 0 || !report->answer ||
            hash_equal(&h->answer.hash, &report->answer->hash))
                return false;
        for (size_t i = 0; i < r->n_hosts; i++)
                if (r->hosts[i].counted && same_voter(&r->hosts[i], h))
                        return false;
        return true;
}

/* Votes for the answer of host i, one for each voter that gave it. */
static unsigned votes_like(const struct receipt_report *report, size_t i) {
        const struct receipt_host *hosts = report->receipt.hosts;
        unsigned votes = 0;

        for (size_t j = 0; j < report->receipt.n_hosts; j++) {
                bool seen = !is_dissent(report, &hosts[j]) ||
                            !hash_equal(&hosts[i].answer.hash, &hosts[j].answer.hash);

                for (size_t m = 0; m < j && !seen; m++)
                        seen = is_dissent(report, &hosts[m]) &&
                               hash_equal(&hosts[i].answer.hash, &hosts[m].answer.hash) &&
                               same_voter(&hosts[m], &hosts[j]);
                votes += !seen;
        }
        return votes;
}

static unsigned strongest_dissent(const struct receipt_report *report) {
        unsigned most = 0;

        for (size_t i = 0; i < report->receipt.n_hosts; i++) {
                unsigned votes = votes_like(report, i);

                most = votes > most ? votes : most;
        }
        return most;
}

static bool check_quorum(struct verification *v) {
        struct receipt_report *report = v->report;
        unsigned need = report->mode == MODE_UNANIMOUS ? report->replicas : report->quorum;
        unsigned against = strongest_dissent(report);

        if (report->state == STATE_TRUSTED)
                need = 1;
        else if (report->state != STATE_VERIFIED)
                return true; /* no quorum is claimed */
        if (report->state == STATE_VERIFIED && report->mode == MODE_FAST)
                return fail(v, "a fast run is never VERIFIED");
        if (report->agreement < need)
                return fail(v, "%u equal answers, %u are needed", report->agreement, need);
        if (against > 0 && (report->mode == MODE_UNANIMOUS || report->agreement < against + need))
                return fail(v, "%u for the answer, %u for another one: it does not lead by %u",
                            report->agreement, against, need);
        return true;
}

static int check_batches(struct answer_checker *c, struct qrows_reader *rows, int *ret_qrows) {
        struct bytes batch;

        while ((*ret_qrows = qrows_next(rows, &batch)) == QROWS_OK) {
                int result = answer_check_batch(c, batch);

                if (result)
                        return result;
        }
        return *ret_qrows == QROWS_END ? answer_check_end(c) : CHECK_OK;
}

/* Whether the rows give what this host signed. */
static bool rows_fit(struct verification *v, const struct answer *want,
                     const struct schema *schema) {
        struct answer_checker checker;
        struct qrows_reader rows;
        int result, file_result;

        (void) qrows_open(&rows, v->rows);
        answer_check_begin(&checker, want, schema, want->form != ANSWER_SET, NULL);
        result = check_batches(&checker, &rows, &file_result);
        answer_check_done(&checker);
        if (file_result != QROWS_END && file_result != QROWS_OK)
                return fail(v, "the rows file is cut short, or counts wrongly");
        return !result || fail(v, "batch %" PRIu64 ": %s", rows.batches, check_result_text(result));
}

static bool same_counts(const struct answer *a, const struct answer *b) {
        return a->rows == b->rows && a->bytes == b->bytes;
}

/* The answer covers neither bytes nor, before the rows are there, their number: one of
 * those counted may have signed false ones beside the right answer. */
static bool check_rows(struct verification *v) {
        const struct receipt *r = &v->report->receipt;
        CLEANUP(schema_freep) struct schema *schema = NULL;
        struct qrows_reader rows;

        if (!v->report->answer)
                return fail(v, "the receipt agrees on no answer that rows could give");
        if (qrows_open(&rows, v->rows))
                return fail(v, "the rows are not a rows file of version %u", QROWS_VERSION);
        if (!bytes_equal(rows.schema, v->report->descriptor.schema) ||
            schema_decode(rows.schema, &schema))
                return fail(v, "the rows have other columns than the job");
        for (size_t i = 0; i < r->n_hosts; i++) {
                bool is_tried = !r->hosts[i].counted;

                for (size_t j = 0; j < i && !is_tried; j++)
                        is_tried = r->hosts[j].counted &&
                                   same_counts(&r->hosts[i].answer, &r->hosts[j].answer);
                if (is_tried || !rows_fit(v, &r->hosts[i].answer, schema))
                        continue;
                v->report->answer = &r->hosts[i].answer;
                *v->detail = 0;
                return true;
        }
        return false;
}

#define BIT(check) (1u << RECEIPT_##check)

/* In the order of enum receipt_check; `needs` are checks that must have passed. */
static const struct {
        const char *name;
        bool (*run)(struct verification *v);
        unsigned needs;
} checks[_RECEIPT_CHECK_MAX] = {
        [RECEIPT_CHECKSUM] = { "checksum", check_checksum, 0 },
        [RECEIPT_FORMAT] = { "format", check_format, BIT(CHECKSUM) },
        [RECEIPT_DESCRIPTOR] = { "descriptor", check_descriptor, BIT(FORMAT) },
        [RECEIPT_QUERY] = { "query", check_query, BIT(DESCRIPTOR) },
        [RECEIPT_DISPATCH] = { "dispatch", check_dispatch, BIT(DESCRIPTOR) },
        [RECEIPT_COMMIT] = { "commit", check_commit, BIT(DESCRIPTOR) },
        [RECEIPT_TAGS] = { "tags", check_tags, BIT(COMMIT) },
        [RECEIPT_FORM] = { "form", check_form, BIT(COMMIT) },
        [RECEIPT_VERDICT] = { "verdict", check_verdict, BIT(DESCRIPTOR) },
        [RECEIPT_VERDICTS_AGREE] = { "verdicts agree", check_verdicts_agree, BIT(VERDICT) },
        [RECEIPT_DISTINCT_VOTERS] = { "distinct voters", check_distinct_voters, BIT(VERDICT) },
        [RECEIPT_EQUAL_ANSWERS] = { "equal answers", check_equal_answers, BIT(TAGS) },
        [RECEIPT_QUORUM] = { "quorum", check_quorum, BIT(EQUAL_ANSWERS) | BIT(VERDICTS_AGREE) },
        [RECEIPT_ROWS] = { "rows", check_rows, BIT(EQUAL_ANSWERS) },
};

const char *receipt_check_name(enum receipt_check check) {
        return check < _RECEIPT_CHECK_MAX ? checks[check].name : "?";
}

void receipt_verify(struct bytes file, struct bytes rows, struct receipt_report *ret) {
        struct verification v = { .file = file, .rows = rows, .report = ret };
        unsigned passed = 0;

        *ret = (struct receipt_report){ .valid = true };
        for (size_t i = 0; i < _RECEIPT_CHECK_MAX; i++) {
                bool wanted = i != RECEIPT_ROWS || rows.data;

                v.detail = ret->checks[i].detail;
                ret->checks[i].status = CHECK_SKIPPED;
                if (!wanted)
                        continue;
                if ((checks[i].needs & ~passed) == 0)
                        ret->checks[i].status = checks[i].run(&v) ? CHECK_PASSED : CHECK_FAILED;
                if (ret->checks[i].status == CHECK_PASSED)
                        passed |= 1u << i;
                else
                        ret->valid = false;
        }
}

enum receipt_check receipt_first_failure(const struct receipt_report *r) {
        unsigned i = 0;

        while (i < _RECEIPT_CHECK_MAX && r->checks[i].status != CHECK_FAILED)
                i++;
        return i;
}

bool receipt_verdict(const struct receipt_report *r, size_t i, struct verdict_statement *ret) {
        return r->checks[RECEIPT_VERDICT].status == CHECK_PASSED && i < r->receipt.n_hosts &&
               verdict_decode(r->receipt.hosts[i].verdict, ret) == STATEMENT_OK;
}
