#include "services/coordinator/shell_actions.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/statement.h"
#include "common/daemon/capability.h"
#include "common/daemon/log.h"
#include "common/streams/identity.h"
#include "proto/keyring.pb-c.h"

#define SIGN_TIMEOUT (5 * NSEC_PER_SEC)

static const struct {
        const char *capability;
        const ProtobufCServiceDescriptor *service;
} keyrings[_KEYRING_N] = {
        [KEYRING_REQUESTER] = { "keyring/requester", &keyring__requester__descriptor },
        [KEYRING_HOST] = { "keyring/host", &keyring__host__descriptor },
};

/* ---- Signatures: fields go there, bytes come back ---- */

struct signing {
        struct shell *shell;
        uint64_t request;
};

static ProtobufCBinaryData pb(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

static void on_signed(void *userdata, const struct rpc_result *result) {
        CLEANUP(freep) struct signing *g = userdata;
        struct shell *s = g->shell;
        const Keyring__SignedReply *in = result->message;

        if (!s->core)
                return;
        if (result->code != RPC_OK) {
                s->counters.sign_failures++;
                log_warning("keyring did not sign: %s", result->text);
                coordinator_sign_failed(s->core, g->request, shell_now(s));
        } else {
                s->counters.signatures++;
                coordinator_signed(s->core, g->request,
                                   BYTES(in->statement.data, in->statement.len),
                                   BYTES(in->signature.data, in->signature.len), shell_now(s));
        }
        shell_turn(s);
}

static void send(struct shell *s, enum keyring_role role, const char *method, const void *message,
                 uint64_t request) {
        struct signing *g = xnew(struct signing);

        g->shell = s;
        g->request = request;
        rpc_call(s->keyring_rpc[role], method, message, SIGN_TIMEOUT, on_signed, g);
}

static bool sign_dispatch(struct shell *s, struct bytes statement, uint64_t request) {
        Keyring__SignDispatchRequest out = KEYRING__SIGN_DISPATCH_REQUEST__INIT;
        struct dispatch_statement x;

        if (dispatch_decode(statement, &x))
                return false;
        out.job = pb(hash_bytes(&x.job));
        out.host = pb(x.host);
        out.ticket = pb(x.ticket);
        out.run = x.run;
        send(s, KEYRING_REQUESTER, "SignDispatch", &out, request);
        return true;
}

static bool sign_commit(struct shell *s, struct bytes statement, uint64_t request) {
        Keyring__SignCommitRequest out = KEYRING__SIGN_COMMIT_REQUEST__INIT;
        struct commit_statement x;

        if (commit_decode(statement, &x))
                return false;
        out.job = pb(hash_bytes(&x.job));
        out.host = pb(x.host);
        out.run = x.run;
        out.engine_class = pb(x.engine_class);
        out.answer_tag = pb(hash_bytes(&x.answer_tag));
        out.result_tag = pb(hash_bytes(&x.result_tag));
        send(s, KEYRING_HOST, "SignCommit", &out, request);
        return true;
}

static bool sign_verdict(struct shell *s, struct bytes statement, uint64_t request) {
        Keyring__SignVerdictRequest out = KEYRING__SIGN_VERDICT_REQUEST__INIT;
        Keyring__VerdictFact facts[STATEMENT_FACTS_MAX], *fact_list[STATEMENT_FACTS_MAX];
        ProtobufCBinaryData evidence[STATEMENT_EVIDENCE_MAX];
        struct verdict_statement x;

        if (verdict_decode(statement, &x))
                return false;
        for (size_t i = 0; i < x.n_facts; i++) {
                keyring__verdict_fact__init(&facts[i]);
                facts[i].name = pb(x.facts[i].name);
                facts[i].value = pb(x.facts[i].value);
                facts[i].measured = x.facts[i].measured;
                fact_list[i] = &facts[i];
        }
        for (size_t i = 0; i < x.n_evidence; i++)
                evidence[i] = pb(hash_bytes(&x.evidence[i]));
        out.job = pb(hash_bytes(&x.job));
        out.host = pb(x.host);
        out.verdict = x.verdict;
        out.state = x.state;
        out.mode = x.mode;
        out.replicas = x.replicas;
        out.quorum = x.quorum;
        out.voter_group = pb(x.voter_group);
        out.facts = fact_list;
        out.n_facts = x.n_facts;
        out.evidence = evidence;
        out.n_evidence = x.n_evidence;
        out.time_us = x.time_us;
        out.started_us = x.started_us;
        out.committed_us = x.committed_us;
        out.ended_us = x.ended_us;
        send(s, KEYRING_REQUESTER, "SignVerdict", &out, request);
        return true;
}

void shell_do_sign(struct shell *s, struct action *a) {
        static bool (*const signers[])(struct shell * s, struct bytes statement,
                                       uint64_t request) = {
                [STATEMENT_DISPATCH] = sign_dispatch,
                [STATEMENT_COMMIT] = sign_commit,
                [STATEMENT_VERDICT] = sign_verdict,
        };

        if (a->n < ELEMENTSOF(signers) && signers[a->n] &&
            signers[a->n](s, refbuf_bytes(a->data), a->id))
                return;
        log_error("a statement to sign is malformed");
        coordinator_sign_failed(s->core, a->id, shell_now(s));
}

/* ---- Who we are ---- */

static int read_identity(struct shell *s, const Keyring__IdentityReply *reply) {
        if (peer_id_parse(BYTES(reply->peer.data, reply->peer.len), &s->self))
                return 0;
        log_error("keyring says an identity that is no peer id");
        return error_origin(-EBADMSG);
}

static int ask_identity(struct shell *s, const char *path) {
        CLEANUP(seqpacket_caller_freep)
        struct seqpacket_caller *caller =
                seqpacket_caller_new(path, keyrings[KEYRING_REQUESTER].service);
        Types__Empty empty = TYPES__EMPTY__INIT;
        nsec_t until = nsec_add(shell_now(s), s->config->keyring_wait);
        const void *reply;
        int r;

        do {
                r = seqpacket_call(caller, "Identity", &empty, NSEC_PER_SEC, &reply);
                if (r == 0)
                        return read_identity(s, reply);
                if (r < 0)
                        (void) usleep(50000);
        } while (shell_now(s) < until);
        log_error("keyring does not answer on %s: is quorate-keyring running?", path);
        return r < 0 ? r : error_origin(-ETIMEDOUT);
}

int shell_keyring_start(struct shell *s) {
        char path[CAPABILITY_PATH_SIZE];

        for (int i = 0; i < _KEYRING_N; i++) {
                int r;

                if (capability_path(s->ctx->runtime, keyrings[i].capability, false, path)) {
                        log_error("runtime directory %s is too long", s->ctx->runtime);
                        return error_origin(-ENAMETOOLONG);
                }
                r = i == KEYRING_REQUESTER ? ask_identity(s, path) : 0;
                if (!r)
                        r = seqpacket_connect(s->loop, path, &s->keyring[i]);
                if (r)
                        return r;
                s->keyring_rpc[i] =
                        rpc_client_new(seqpacket_link(s->keyring[i]), keyrings[i].service);
        }
        return identity_watch_new(s->ctx, keyrings[KEYRING_REQUESTER].capability,
                                  keyrings[KEYRING_REQUESTER].service, &s->self, &s->identity);
}

void shell_keyring_stop(struct shell *s) {
        s->identity = identity_watch_free(s->identity);
        for (int i = 0; i < _KEYRING_N; i++) {
                s->keyring_rpc[i] = rpc_client_free(s->keyring_rpc[i]);
                s->keyring[i] = seqpacket_free(s->keyring[i]);
        }
}
