#include "services/keyring/rpc.h"

#include "common/base/memory.h"
#include "common/canonical/keychange.h"
#include "common/crypto/random.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc.h"

/* Which rules apply to a call, and the clock it is judged by. */
static struct keyring_ask ask_of(const struct keyring_rpc *rpc, enum keyring_socket socket) {
        return (struct keyring_ask){ .socket = socket, .now = loop_now(rpc->loop) };
}

static void fail(int r, ProtobufCClosure closure, void *closure_data) {
        if (r == KEYRING_E_FAULT)
                log_error("a signature just made does not verify: this machine computes wrongly, "
                          "or somebody makes it; take it out of service");
        call_fail(call_begin(closure_data, closure), r, "%s", keyring_result_text(r));
}

static struct bytes bytes_of(const ProtobufCBinaryData *v) {
        return BYTES(v->data, v->len);
}

static ProtobufCBinaryData binary_of(struct bytes v) {
        return (ProtobufCBinaryData){ .len = v.len, .data = (uint8_t *) v.data };
}

static bool hash_from(const ProtobufCBinaryData *v, struct hash_value *ret) {
        if (v->len != HASH_SIZE)
                return false;
        memcpy(ret->bytes, v->data, HASH_SIZE);
        return true;
}

static void reply_identity(const struct keyring_rpc *rpc, Keyring__IdentityReply_Closure closure,
                           void *closure_data) {
        const struct keyring *k = rpc->keyring;
        Keyring__IdentityReply reply = KEYRING__IDENTITY_REPLY__INIT;

        reply.public_key = binary_of(sign_public_bytes(&k->identity.sign_public));
        reply.peer = binary_of(peer_id_bytes(&k->self));
        reply.x25519 = binary_of(BYTES_OF(k->identity.x25519_public));
        reply.work = identity_work(&k->identity.sign_public);
        closure(&reply, closure_data);
}

/* Ends a call about a statement: bytes and signature, or why not. */
static void reply_signed(int r, struct keyring_signed *s, Keyring__SignedReply_Closure closure,
                         void *closure_data) {
        Keyring__SignedReply reply = KEYRING__SIGNED_REPLY__INIT;

        if (r)
                return fail(r, (ProtobufCClosure) closure, closure_data);
        reply.statement = binary_of(buffer_bytes(&s->bytes));
        reply.signature = binary_of(signature_bytes(&s->signature));
        closure(&reply, closure_data);
}

static void reply_tls(int r, const struct certkey_signature *s,
                      Keyring__SignTlsReply_Closure closure, void *closure_data) {
        Keyring__SignTlsReply reply = KEYRING__SIGN_TLS_REPLY__INIT;

        if (r)
                return fail(r, (ProtobufCClosure) closure, closure_data);
        reply.signature = binary_of(BYTES(s->bytes, s->len));
        closure(&reply, closure_data);
}

/* ---- keyring/transport ---- */

static const struct keyring_rpc *of_transport(const Keyring__Transport_Service *s) {
        return container_of(s, const struct transport_service, service)->rpc;
}

static void transport_identity(Keyring__Transport_Service *s, const Types__Empty *in,
                               Keyring__IdentityReply_Closure closure, void *closure_data) {
        reply_identity(of_transport(s), closure, closure_data);
}

static void transport_bind_tls_key(Keyring__Transport_Service *s,
                                   const Keyring__BindTlsKeyRequest *in,
                                   Keyring__BindTlsKeyReply_Closure closure, void *closure_data) {
        static const enum certkey_type types[] = {
                [KEYRING__TLS_KEY_TYPE__TLS_KEY_NONE] = _CERTKEY_N,
                [KEYRING__TLS_KEY_TYPE__TLS_KEY_ED25519] = CERTKEY_ED25519,
                [KEYRING__TLS_KEY_TYPE__TLS_KEY_P256] = CERTKEY_P256,
        };
        const struct keyring_rpc *rpc = of_transport(s);
        struct keyring_ask ask = ask_of(rpc, KEYRING_TRANSPORT);
        Keyring__BindTlsKeyReply reply = KEYRING__BIND_TLS_KEY_REPLY__INIT;
        size_t type = (size_t) in->type;
        struct keyring_binding binding;
        int r;

        r = keyring_bind_tls(rpc->keyring, &ask,
                             type < ELEMENTSOF(types) ? types[type] : _CERTKEY_N, &binding);
        if (r)
                return fail(r, (ProtobufCClosure) closure, closure_data);
        reply.spki = binary_of(binding.spki);
        reply.public_key = binary_of(BYTES_OF(binding.public_key));
        reply.signature = binary_of(signature_bytes(&binding.signature));
        closure(&reply, closure_data);
}

static void transport_sign_tls(Keyring__Transport_Service *s, const Keyring__SignTlsRequest *in,
                               Keyring__SignTlsReply_Closure closure, void *closure_data) {
        const struct keyring_rpc *rpc = of_transport(s);
        struct keyring_ask ask = ask_of(rpc, KEYRING_TRANSPORT);
        struct keyring_tls_request request = { .spki = bytes_of(&in->spki),
                                               .content = bytes_of(&in->content),
                                               .digest = bytes_of(&in->digest) };
        struct certkey_signature signature;
        int r = keyring_sign_tls(rpc->keyring, &ask, &request, &signature);

        reply_tls(r, &signature, closure, closure_data);
}

static void transport_sign_certificate(Keyring__Transport_Service *s,
                                       const Keyring__SignCertificateRequest *in,
                                       Keyring__SignTlsReply_Closure closure, void *closure_data) {
        const struct keyring_rpc *rpc = of_transport(s);
        struct keyring_ask ask = ask_of(rpc, KEYRING_TRANSPORT);
        struct certkey_signature signature;
        int r = keyring_sign_certificate(rpc->keyring, &ask, bytes_of(&in->spki),
                                         bytes_of(&in->tbs), &signature);

        reply_tls(r, &signature, closure, closure_data);
}

static void transport_sign_peer_record(Keyring__Transport_Service *s,
                                       const Keyring__SignPeerRecordRequest *in,
                                       Keyring__SignPeerRecordReply_Closure closure,
                                       void *closure_data) {
        const struct keyring_rpc *rpc = of_transport(s);
        struct keyring_ask ask = ask_of(rpc, KEYRING_TRANSPORT);
        Keyring__SignPeerRecordReply reply = KEYRING__SIGN_PEER_RECORD_REPLY__INIT;
        CLEANUP(buffer_donep) struct buffer envelope = {};
        struct bytes addrs[PEER_RECORD_ADDRS_MAX];
        size_t n = in->n_addrs;
        int r;

        buffer_init(&envelope, ENVELOPE_MAX);
        if (n > PEER_RECORD_ADDRS_MAX)
                return fail(KEYRING_E_FIELD, (ProtobufCClosure) closure, closure_data);
        for (size_t i = 0; i < n; i++)
                addrs[i] = bytes_of(&in->addrs[i]);
        r = keyring_sign_peer_record(rpc->keyring, &ask, in->seq, addrs, n, &envelope);
        if (r)
                return fail(r, (ProtobufCClosure) closure, closure_data);
        reply.envelope = binary_of(buffer_bytes(&envelope));
        closure(&reply, closure_data);
}

/* ---- keyring/requester ---- */

static const struct keyring_rpc *of_requester(const Keyring__Requester_Service *s) {
        return container_of(s, const struct requester_service, service)->rpc;
}

static void requester_identity(Keyring__Requester_Service *s, const Types__Empty *in,
                               Keyring__IdentityReply_Closure closure, void *closure_data) {
        reply_identity(of_requester(s), closure, closure_data);
}

static bool dispatch_from(const Keyring__SignDispatchRequest *in, struct dispatch_statement *ret) {
        *ret = (struct dispatch_statement){ .host = bytes_of(&in->host),
                                            .ticket = bytes_of(&in->ticket),
                                            .run = (uint8_t) in->run };
        return in->run <= UINT8_MAX && hash_from(&in->job, &ret->job);
}

static void requester_sign_dispatch(Keyring__Requester_Service *s,
                                    const Keyring__SignDispatchRequest *in,
                                    Keyring__SignedReply_Closure closure, void *closure_data) {
        CLEANUP(keyring_signed_donep) struct keyring_signed result = {};
        const struct keyring_rpc *rpc = of_requester(s);
        struct keyring_ask ask = ask_of(rpc, KEYRING_REQUESTER);
        struct dispatch_statement statement;
        int r = KEYRING_E_FIELD;

        if (dispatch_from(in, &statement))
                r = keyring_sign_dispatch(rpc->keyring, &ask, &statement, &result);
        reply_signed(r, &result, closure, closure_data);
}

static bool verdict_lists_from(const Keyring__SignVerdictRequest *in,
                               struct verdict_statement *ret) {
        if (in->n_facts > STATEMENT_FACTS_MAX || in->n_evidence > STATEMENT_EVIDENCE_MAX)
                return false;
        ret->n_facts = in->n_facts;
        for (size_t i = 0; i < in->n_facts; i++)
                ret->facts[i] = (struct statement_fact){ .name = bytes_of(&in->facts[i]->name),
                                                         .value = bytes_of(&in->facts[i]->value),
                                                         .measured = in->facts[i]->measured };
        ret->n_evidence = in->n_evidence;
        for (size_t i = 0; i < in->n_evidence; i++)
                if (!hash_from(&in->evidence[i], &ret->evidence[i]))
                        return false;
        return true;
}

static bool verdict_from(const Keyring__SignVerdictRequest *in, struct verdict_statement *ret) {
        *ret = (struct verdict_statement){ .host = bytes_of(&in->host),
                                           .verdict = in->verdict,
                                           .state = in->state,
                                           .mode = in->mode,
                                           .replicas = (uint8_t) in->replicas,
                                           .quorum = (uint8_t) in->quorum,
                                           .voter_group = bytes_of(&in->voter_group),
                                           .time_us = in->time_us,
                                           .started_us = in->started_us,
                                           .committed_us = in->committed_us,
                                           .ended_us = in->ended_us };
        /* What the encoder writes in one byte must fit into one. */
        return in->verdict <= UINT8_MAX && in->state <= UINT8_MAX && in->mode <= UINT8_MAX &&
               in->replicas <= UINT8_MAX && in->quorum <= UINT8_MAX &&
               hash_from(&in->job, &ret->job) && verdict_lists_from(in, ret);
}

static void requester_sign_verdict(Keyring__Requester_Service *s,
                                   const Keyring__SignVerdictRequest *in,
                                   Keyring__SignedReply_Closure closure, void *closure_data) {
        CLEANUP(keyring_signed_donep) struct keyring_signed result = {};
        const struct keyring_rpc *rpc = of_requester(s);
        struct keyring_ask ask = ask_of(rpc, KEYRING_REQUESTER);
        struct verdict_statement statement;
        int r = KEYRING_E_FIELD;

        if (verdict_from(in, &statement))
                r = keyring_sign_verdict(rpc->keyring, &ask, &statement, &result);
        reply_signed(r, &result, closure, closure_data);
}

/* ---- keyring/host ---- */

static const struct keyring_rpc *of_host(const Keyring__Host_Service *s) {
        return container_of(s, const struct host_service, service)->rpc;
}

static void host_identity(Keyring__Host_Service *s, const Types__Empty *in,
                          Keyring__IdentityReply_Closure closure, void *closure_data) {
        reply_identity(of_host(s), closure, closure_data);
}

static bool commit_from(const Keyring__SignCommitRequest *in, struct commit_statement *ret) {
        *ret = (struct commit_statement){ .host = bytes_of(&in->host),
                                          .run = (uint8_t) in->run,
                                          .engine_class = bytes_of(&in->engine_class) };
        return in->run <= UINT8_MAX && hash_from(&in->job, &ret->job) &&
               hash_from(&in->answer_tag, &ret->answer_tag) &&
               hash_from(&in->result_tag, &ret->result_tag);
}

static void host_sign_commit(Keyring__Host_Service *s, const Keyring__SignCommitRequest *in,
                             Keyring__SignedReply_Closure closure, void *closure_data) {
        CLEANUP(keyring_signed_donep) struct keyring_signed result = {};
        const struct keyring_rpc *rpc = of_host(s);
        struct keyring_ask ask = ask_of(rpc, KEYRING_HOST);
        struct commit_statement statement;
        int r = KEYRING_E_FIELD;

        if (commit_from(in, &statement))
                r = keyring_sign_commit(rpc->keyring, &ask, &statement, &result);
        reply_signed(r, &result, closure, closure_data);
}

/* ---- keyring/admin ---- */

static void admin_public_key(Keyring__Admin_Service *s, const Types__Empty *in,
                             Keyring__IdentityReply_Closure closure, void *closure_data) {
        reply_identity(container_of(s, const struct admin_service, service)->rpc, closure,
                       closure_data);
}

static void admin_seal_mailbox(Keyring__Admin_Service *s, const Keyring__SealMailboxRequest *in,
                               Keyring__SealMailboxReply_Closure closure, void *closure_data) {
        const struct keyring_rpc *rpc = container_of(s, const struct admin_service, service)->rpc;
        struct keyring_ask ask = ask_of(rpc, KEYRING_ADMIN);
        Keyring__SealMailboxReply reply = KEYRING__SEAL_MAILBOX_REPLY__INIT;
        CLEANUP(buffer_donep) struct buffer box = {};
        uint8_t ephemeral[BOX_KEY_SIZE];
        int r;

        buffer_init(&box, LETTER_BOX_MAX);
        random_bytes(ephemeral, sizeof(ephemeral));
        r = keyring_seal_mailbox(rpc->keyring, &ask, bytes_of(&in->profile), bytes_of(&in->text),
                                 ephemeral, &box);
        crypto_wipe(ephemeral, sizeof(ephemeral));
        if (r)
                return fail(r, (ProtobufCClosure) closure, closure_data);
        reply.box = binary_of(buffer_bytes(&box));
        closure(&reply, closure_data);
}

static void admin_open_mailbox(Keyring__Admin_Service *s, const Keyring__OpenMailboxRequest *in,
                               Keyring__OpenMailboxReply_Closure closure, void *closure_data) {
        const struct keyring_rpc *rpc = container_of(s, const struct admin_service, service)->rpc;
        struct keyring_ask ask = ask_of(rpc, KEYRING_ADMIN);
        Keyring__OpenMailboxReply reply = KEYRING__OPEN_MAILBOX_REPLY__INIT;
        CLEANUP(buffer_donep) struct buffer inside = {};
        struct letter_opened opened;
        int r;

        buffer_init(&inside, LETTER_BOX_MAX);
        r = keyring_open_mailbox(rpc->keyring, &ask, bytes_of(&in->box), &inside, &opened);
        if (r)
                return fail(r, (ProtobufCClosure) closure, closure_data);
        reply.sender = binary_of(peer_id_bytes(&opened.sender));
        reply.text = binary_of(opened.text);
        closure(&reply, closure_data);
}

static void reply_keychange(int r, const struct buffer *value,
                            Keyring__KeychangeReply_Closure closure, void *closure_data) {
        Keyring__KeychangeReply reply = KEYRING__KEYCHANGE_REPLY__INIT;

        if (r)
                return fail(r, (ProtobufCClosure) closure, closure_data);
        reply.value = binary_of(buffer_bytes(value));
        closure(&reply, closure_data);
}

static void admin_rotate(Keyring__Admin_Service *s, const Keyring__RotateRequest *in,
                         Keyring__KeychangeReply_Closure closure, void *closure_data) {
        const struct keyring_rpc *rpc = container_of(s, const struct admin_service, service)->rpc;
        struct keyring_ask ask = ask_of(rpc, KEYRING_ADMIN);
        struct keyring_successor successor = { .signature = bytes_of(&in->signature),
                                               .created_us = in->created_us };
        CLEANUP(buffer_donep) struct buffer value = {};
        int r = KEYRING_E_FIELD;

        buffer_init(&value, KEYCHANGE_BYTES_MAX);
        if (in->successor.len == sizeof(successor.key.bytes)) {
                memcpy(successor.key.bytes, in->successor.data, sizeof(successor.key.bytes));
                r = keyring_sign_rotation(rpc->keyring, &ask, &successor, &value);
        }
        reply_keychange(r, &value, closure, closure_data);
}

static void admin_revoke(Keyring__Admin_Service *s, const Keyring__RevokeRequest *in,
                         Keyring__KeychangeReply_Closure closure, void *closure_data) {
        const struct keyring_rpc *rpc = container_of(s, const struct admin_service, service)->rpc;
        struct keyring_ask ask = ask_of(rpc, KEYRING_ADMIN);
        CLEANUP(buffer_donep) struct buffer value = {};
        int r;

        buffer_init(&value, KEYCHANGE_BYTES_MAX);
        r = keyring_sign_revocation(rpc->keyring, &ask, in->created_us, &value);
        reply_keychange(r, &value, closure, closure_data);
}

/* ---- keyring/dht ---- */

static void dht_identity(Keyring__Dht_Service *s, const Types__Empty *in,
                         Keyring__IdentityReply_Closure closure, void *closure_data) {
        reply_identity(container_of(s, const struct dht_service, service)->rpc, closure,
                       closure_data);
}

static void dht_sign_record(Keyring__Dht_Service *s, const Keyring__SignRecordRequest *in,
                            Keyring__SignedReply_Closure closure, void *closure_data) {
        CLEANUP(keyring_signed_donep) struct keyring_signed result = {};
        const struct keyring_rpc *rpc = container_of(s, const struct dht_service, service)->rpc;
        struct keyring_ask ask = ask_of(rpc, KEYRING_DHT);
        struct record_statement statement = { .kind = (enum record_kind) in->kind,
                                              .network = BYTES_STR(in->network),
                                              .label = bytes_of(&in->label),
                                              .sequence = in->sequence,
                                              .created_us = in->created_us,
                                              .ttl_s = in->ttl_s,
                                              .payload = bytes_of(&in->payload) };

        reply_signed(keyring_sign_record(rpc->keyring, &ask, &statement, &result), &result, closure,
                     closure_data);
}

/* ---- keyring/gossip ---- */

static void gossip_identity(Keyring__Gossip_Service *s, const Types__Empty *in,
                            Keyring__IdentityReply_Closure closure, void *closure_data) {
        reply_identity(container_of(s, const struct gossip_service, service)->rpc, closure,
                       closure_data);
}

static void reply_packed(int r, const struct signature *s, Keyring__SignPackedReply_Closure closure,
                         void *closure_data) {
        Keyring__SignPackedReply reply = KEYRING__SIGN_PACKED_REPLY__INIT;

        if (r)
                return fail(r, (ProtobufCClosure) closure, closure_data);
        reply.signature = binary_of(signature_bytes(s));
        closure(&reply, closure_data);
}

static void gossip_sign_message(Keyring__Gossip_Service *s, const Keyring__SignPackedRequest *in,
                                Keyring__SignPackedReply_Closure closure, void *closure_data) {
        const struct keyring_rpc *rpc = container_of(s, const struct gossip_service, service)->rpc;
        struct keyring_ask ask = ask_of(rpc, KEYRING_GOSSIP);
        struct signature signature;
        int r = keyring_sign_message(rpc->keyring, &ask, bytes_of(&in->message), &signature);

        reply_packed(r, &signature, closure, closure_data);
}

static void gossip_sign_capability(Keyring__Gossip_Service *s, const Keyring__SignPackedRequest *in,
                                   Keyring__SignPackedReply_Closure closure, void *closure_data) {
        const struct keyring_rpc *rpc = container_of(s, const struct gossip_service, service)->rpc;
        struct keyring_ask ask = ask_of(rpc, KEYRING_GOSSIP);
        struct signature signature;
        int r = keyring_sign_capability(rpc->keyring, &ask, bytes_of(&in->message), &signature);

        reply_packed(r, &signature, closure, closure_data);
}

const Keyring__Transport_Service keyring_transport_service = KEYRING__TRANSPORT__INIT(transport_);
const Keyring__Requester_Service keyring_requester_service = KEYRING__REQUESTER__INIT(requester_);
const Keyring__Host_Service keyring_host_service = KEYRING__HOST__INIT(host_);
const Keyring__Admin_Service keyring_admin_service = KEYRING__ADMIN__INIT(admin_);
const Keyring__Dht_Service keyring_dht_service = KEYRING__DHT__INIT(dht_);
const Keyring__Gossip_Service keyring_gossip_service = KEYRING__GOSSIP__INIT(gossip_);
