#include "services/transport/shell/keys.h"

#include <errno.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/capability.h"
#include "common/daemon/log.h"
#include "common/daemon/seqpacket.h"
#include "proto/keyring.pb-c.h"

#define START_TIMEOUT   (10 * NSEC_PER_SEC)
#define TIMEOUT         (2 * NSEC_PER_SEC)
#define KEYRING_FOREIGN 3 /* proto/keyring.proto: the key named is not keyring's (any more) */

struct keys {
        struct seqpacket_caller *caller;
        struct sign_public public;
        struct peer_id peer;
        enum tls_key_type type;
        bool is_stale;
        uint8_t spki[TLS_SPKI_MAX], host_key[PUBLIC_KEY_ED25519_SIZE];
        uint8_t host_signature[SIGNATURE_SIZE];
        struct tls_signer signer;
};

/* Answers of keyring count as faults here, but for the one that sign() knows. */
static int call(struct keys *k, const char *method, const void *message, nsec_t timeout,
                const void **ret) {
        char text[32];
        int r = seqpacket_call(k->caller, method, message, timeout, ret);

        if (r < 0)
                return log_fault(r, "keyring/transport: %s failed; is keyring running?", method);
        if (r > 0)
                log_warning("keyring/transport: %s: %s", method,
                            rpc_status_text((uint32_t) r, text));
        return r;
}

static int fetch_identity(struct keys *k) {
        const Types__Empty empty = TYPES__EMPTY__INIT;
        const Keyring__IdentityReply *reply;
        const void *message;
        int r = call(k, "Identity", &empty, START_TIMEOUT, &message);

        if (r)
                return error_fold(r);
        reply = message;
        if (reply->public_key.len != sizeof(k->public.bytes))
                return error_origin(-EBADMSG);
        memcpy(k->public.bytes, reply->public_key.data, sizeof(k->public.bytes));
        k->peer = peer_id_from_ed25519(&k->public);
        return 0;
}

int keys_new(const char *runtime, enum tls_key_type type, struct keys **ret) {
        CLEANUP(keys_freep) struct keys *k = xnew(struct keys);
        char path[CAPABILITY_PATH_SIZE];
        int r;

        if (capability_path(runtime, "keyring/transport", false, path))
                return log_fault(error_origin(-ENAMETOOLONG),
                                 "%s: too long for a socket; choose a shorter --runtime", runtime);
        k->type = type;
        k->caller = seqpacket_caller_new(path, &keyring__transport__descriptor);
        r = fetch_identity(k);
        if (r < 0)
                return error_fold(r);
        *ret = TAKE(k);
        return 0;
}

struct keys *keys_free(struct keys *k) {
        if (!k)
                return NULL;
        seqpacket_caller_free(k->caller);
        free(k);
        return NULL;
}

const struct sign_public *keys_public(const struct keys *k) {
        return &k->public;
}

const struct peer_id *keys_peer(const struct keys *k) {
        return &k->peer;
}

bool keys_is_stale(const struct keys *k) {
        return k->is_stale;
}

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

/* RFC 8446 4.4.3: 64 spaces; a certificate begins with a DER SEQUENCE. */
static bool is_certificate(struct bytes content) {
        return content.len > 0 && content.data[0] == 0x30;
}

static int ask_signature(struct keys *k, enum tls_sign_what what, struct bytes input,
                         const void **ret) {
        Keyring__SignCertificateRequest certificate = KEYRING__SIGN_CERTIFICATE_REQUEST__INIT;
        Keyring__SignTlsRequest tls = KEYRING__SIGN_TLS_REQUEST__INIT;

        if (what == TLS_SIGN_DATA && is_certificate(input)) {
                certificate.spki = binary(k->signer.spki);
                certificate.tbs = binary(input);
                return call(k, "SignCertificate", &certificate, TIMEOUT, ret);
        }
        tls.spki = binary(k->signer.spki);
        if (what == TLS_SIGN_HASH)
                tls.digest = binary(input);
        else
                tls.content = binary(input);
        return call(k, "SignTls", &tls, TIMEOUT, ret);
}

static int sign(void *userdata, enum tls_sign_what what, struct bytes input, uint8_t *ret,
                size_t *ret_len) {
        struct keys *k = userdata;
        const Keyring__SignTlsReply *reply;
        const void *message;
        int r = ask_signature(k, what, input, &message);

        /* The other end of the socket went away, or does not know the key: a new keyring. */
        if (r == KEYRING_FOREIGN || r == RPC_E_GONE)
                k->is_stale = true;
        if (r)
                return error_fold(r);
        reply = message;
        if (reply->signature.len == 0 || reply->signature.len > TLS_SIGNATURE_MAX)
                return error_origin(-EBADMSG);
        memcpy(ret, reply->signature.data, reply->signature.len);
        *ret_len = reply->signature.len;
        return 0;
}

/* *ret views `memory`, which has room for `size` bytes. */
static bool keep(const ProtobufCBinaryData *v, uint8_t *memory, size_t size, struct bytes *ret) {
        if (v->len == 0 || v->len > size)
                return false;
        memcpy(memory, v->data, v->len);
        *ret = BYTES(memory, v->len);
        return true;
}

static int bind_key(struct keys *k) {
        Keyring__BindTlsKeyRequest request = KEYRING__BIND_TLS_KEY_REQUEST__INIT;
        const Keyring__BindTlsKeyReply *reply;
        const void *message;
        int r;

        request.type = k->type == TLS_KEY_P256 ? KEYRING__TLS_KEY_TYPE__TLS_KEY_P256
                                               : KEYRING__TLS_KEY_TYPE__TLS_KEY_ED25519;
        r = call(k, "BindTlsKey", &request, START_TIMEOUT, &message);
        if (r)
                return error_fold(r);
        reply = message;
        k->signer = (struct tls_signer){ .userdata = k, .type = k->type, .sign = sign };
        if (!keep(&reply->spki, k->spki, sizeof(k->spki), &k->signer.spki) ||
            !keep(&reply->public_key, k->host_key, sizeof(k->host_key), &k->signer.host_key) ||
            !keep(&reply->signature, k->host_signature, sizeof(k->host_signature),
                  &k->signer.host_signature))
                return error_origin(-EBADMSG);
        k->is_stale = false;
        return 0;
}

int keys_certificate(struct keys *k, int64_t wall, struct tls_context **ret) {
        int r = bind_key(k);

        if (r == 0)
                r = tls_context_new(&k->signer, wall, ret);
        return r < 0 ? log_fault(r, "cannot make the TLS certificate") : r;
}

int keys_sign_record(struct keys *k, uint64_t seq, const struct multiaddr *addrs, size_t n,
                     struct buffer *b) {
        CLEANUP(freep) ProtobufCBinaryData *list = xnew_n(ProtobufCBinaryData, n + 1);
        Keyring__SignPeerRecordRequest request = KEYRING__SIGN_PEER_RECORD_REQUEST__INIT;
        const Keyring__SignPeerRecordReply *reply;
        const void *message;
        int r;

        for (size_t i = 0; i < n; i++)
                list[i] = binary(multiaddr_bytes(&addrs[i]));
        request.seq = seq;
        request.n_addrs = n;
        request.addrs = list;
        r = call(k, "SignPeerRecord", &request, TIMEOUT, &message);
        if (r)
                return error_fold(r);
        reply = message;
        buffer_put(b, reply->envelope.data, reply->envelope.len);
        return 0;
}
