/* A question on its way to the node: its inputs uploaded, its options packed. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "common/client/data_file.h"
#include "common/client/private.h"
#include "common/client/result.h"
#include "common/crypto/random.h"
#include "common/wire/peerid.h"

#define NONCE_SIZE 16

int quorate_upload(struct quorate *q, const struct quorate_input *input, quorate_upload_fn fn,
                   void *userdata, uint8_t ret_root[32]) {
        if (q->executor)
                return client_fail(q, QUORATE_E_NO_NODE,
                                   "without a node there is nowhere to keep a dataset; start one "
                                   "with `quorate run`");
        return client_upload(q, input, fn, userdata, ret_root);
}

struct asking {
        Coordinator__SubmitRequest request;
        Types__Limits limits;
        Types__Input inputs[QUORATE_INPUTS_MAX], *input_list[QUORATE_INPUTS_MAX];
        uint8_t roots[QUORATE_INPUTS_MAX][HASH_SIZE], nonce[NONCE_SIZE];
        char names[QUORATE_INPUTS_MAX][DATA_NAME_SIZE];
        struct peer_id peers[16];
        ProtobufCBinaryData hosts[16];
};

static int upload_inputs(struct quorate *q, const struct quorate_question *question,
                         struct asking *a) {
        int r = data_file_names(q, question->inputs, question->n_inputs, a->names);

        for (size_t i = 0; i < question->n_inputs && r == QUORATE_OK; i++) {
                struct quorate_input named = question->inputs[i];

                named.name = a->names[i];
                memcpy(a->roots[i], named.root, HASH_SIZE);
                if (named.path)
                        r = client_upload(q, &named, NULL, NULL, a->roots[i]);
                types__input__init(&a->inputs[i]);
                a->inputs[i].name = a->names[i];
                a->inputs[i].root = (ProtobufCBinaryData){ HASH_SIZE, a->roots[i] };
                a->input_list[i] = &a->inputs[i];
        }
        return r;
}

static const char *or_empty(const char *s) {
        return s ? s : "";
}

static int fill_hosts(struct quorate *q, const struct quorate_question *question,
                      struct asking *a) {
        if (question->n_hosts > ELEMENTSOF(a->hosts))
                return client_fail(q, QUORATE_E_USAGE, "at most 16 hosts can be named");
        for (size_t i = 0; i < question->n_hosts; i++) {
                if (!peer_id_from_text(BYTES_STR(question->hosts[i]), &a->peers[i]))
                        return client_fail(
                                q, QUORATE_E_USAGE,
                                "%s: not a peer id (12D3KooW…); `quorate peers -v` lists them",
                                question->hosts[i]);
                a->hosts[i] = (ProtobufCBinaryData){ a->peers[i].len, a->peers[i].bytes };
        }
        a->request.hosts = a->hosts;
        a->request.n_hosts = question->n_hosts;
        return QUORATE_OK;
}

static void fill_options(const struct quorate_question *question, struct asking *a) {
        Coordinator__SubmitRequest *m = &a->request;

        m->sql = (char *) question->sql;
        m->prefer = (char *) or_empty(question->prefer);
        m->verify = (char *) or_empty(question->verify);
        m->comparison = (char *) or_empty(question->comparison);
        m->network = (char *) or_empty(question->network);
        m->data_class = (char *) or_empty(question->data_class);
        m->replicas = question->replicas;
        m->quorum = question->quorum;
        m->max_replicas = question->max_replicas;
        m->timeout_ms = question->timeout_ms;
        m->no_rewrite = question->no_rewrite;
        m->engines = (char **) question->engines;
        m->n_engines = question->n_engines;
        m->engine_diverse = question->engine_diverse;
        m->remote_analysis = question->remote_analysis;
        m->cache = (char *) or_empty(question->cache);
        a->limits.rows = question->max_rows;
        a->limits.bytes = question->max_bytes;
        a->limits.memory = question->max_memory;
        a->limits.cpu_ms = question->max_cpu_ms;
        m->limits = &a->limits;
}

/* Uploads, then fills a request that lives as long as `a` and the question. */
static int prepare(struct quorate *q, const struct quorate_question *question, struct asking *a) {
        int r;

        coordinator__submit_request__init(&a->request);
        types__limits__init(&a->limits);
        if (question->n_inputs > QUORATE_INPUTS_MAX)
                return client_fail_inputs(q);
        if (!utf8_is_valid(BYTES_STR(question->sql)))
                return client_fail(q, QUORATE_E_USAGE, "the SQL is not UTF-8");
        fill_options(question, a);
        a->request.client_nonce = (ProtobufCBinaryData){ NONCE_SIZE, a->nonce };
        r = fill_hosts(q, question, a);
        if (r == QUORATE_OK)
                r = upload_inputs(q, question, a);
        a->request.inputs = a->input_list;
        a->request.n_inputs = question->n_inputs;
        return r;
}

/* The node went away: true when it is here again before `until`. */
static bool is_back(struct quorate *q, nsec_t until) {
        bool never = false;

        (void) client_wait(q, &never, nsec_add(loop_now(q->loop), NSEC_PER_SEC / 10));
        return loop_now(q->loop) < until && client_wait(q, &q->up, until) == QUORATE_OK;
}

/* Who loses the node before it has the job's number asks again with the same nonce: if
 * the first call was taken, its job is the answer, and nothing runs twice. */
int question_submit(struct quorate *q, const struct quorate_question *question,
                    struct unpacked *reply) {
        CLEANUP(freep) struct asking *a = xnew(struct asking);
        nsec_t until = nsec_add(loop_now(q->loop), REATTACH_WITHIN);
        int r;

        random_bytes(a->nonce, sizeof(a->nonce));
        do {
                r = prepare(q, question, a);
                if (r == QUORATE_OK)
                        r = client_call(q, "Submit", &a->request,
                                        &coordinator__submit_reply__descriptor, reply);
        } while (r == QUORATE_E_LOST && is_back(q, until));
        return r;
}

int quorate_explain(struct quorate *q, const struct quorate_question *question,
                    const struct quorate_explanation **ret) {
        CLEANUP(freep) struct asking *a = xnew(struct asking);
        const Coordinator__ExplainReply *m;
        int r;

        unpacked_done(&q->explained);
        if (q->executor)
                r = private_explain(q, question, &q->explained);
        else
                r = prepare(q, question, a);
        if (r == QUORATE_OK && !q->executor)
                r = client_call(q, "Explain", &a->request, &coordinator__explain_reply__descriptor,
                                &q->explained);
        if (r)
                return r;
        m = q->explained.message;
        free(q->findings);
        q->findings = xnew_n(struct quorate_finding, m->n_reasons);
        for (size_t i = 0; i < m->n_reasons; i++)
                q->findings[i] =
                        (struct quorate_finding){ m->reasons[i]->expression, m->reasons[i]->why,
                                                  m->reasons[i]->position };
        q->explanation = (struct quorate_explanation){
                .class_name = m->class_name,
                .rewrite = m->rewrite,
                .route = m->route,
                .reason = m->reason,
                .comparison = m->comparison,
                .ordered = m->ordered,
                .portable = m->portable,
                .not_portable = m->not_portable,
                .not_portable_at = m->not_portable_at,
                .engine = m->engine,
                .engines = m->engines,
                .n_engines = m->n_engines,
                .usable = m->usable,
                .unusable = m->unusable,
                .imports = m->imports,
                .n_imports = m->n_imports,
                .findings = q->findings,
                .n_findings = m->n_reasons,
                .message = "",
                .estimate = client_estimate(m->estimate),
                .not_portable_expression = m->not_portable_expression,
                .exit_code = m->error ? outcome_exit_code(m->error) : 0,
        };
        if (m->problem && m->problem->code) {
                q->explanation.message =
                        client_problem_text(m->problem, q->error, sizeof(q->error));
                q->explanation.exit_code = outcome_exit_code(m->problem->code);
        }
        *ret = &q->explanation;
        return QUORATE_OK;
}
