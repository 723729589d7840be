#include "services/transport/shell/keys.h"

#include <errno.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/capability.h"
#include "common/daemon/log.h"
#include "common/daemon/seqpacket.h"
#include "proto/keyring.pb-c.h"

/* The loop stands still while keyring is asked. It answers in 50 us; when it does not, everybody
 * waits for TIMEOUT, and then nobody asks again for a while: at worst a tenth of the time is lost,
 * soon a sixtieth. Restarting takes keyring less than PAUSE_MIN. */
#define START_TIMEOUT   (10 * NSEC_PER_SEC)
#define TIMEOUT         (250 * NSEC_PER_MSEC)
#define PAUSE_MIN       (2 * NSEC_PER_SEC)
#define PAUSE_MAX       (16 * NSEC_PER_SEC)
#define RENEWAL_PAUSE   (50 * NSEC_PER_MSEC) /* of attempts that fail at once */
#define KEYRING_FOREIGN 3 /* proto/keyring.proto: the key named is not keyring's (any more) */

struct keys {
        struct seqpacket_caller *caller;
        struct sign_public public;
        struct peer_id peer;
        enum tls_key_type type;
        bool is_started, is_stale;
        nsec_t pause, asked_again; /* not before then; pause 0: it answers */
        nsec_t renewed_again;
        uint8_t spki[TLS_SPKI_MAX], host_key[PUBLIC_KEY_ED25519_SIZE];
        uint8_t host_signature[SIGNATURE_SIZE];
        struct tls_signer signer;
};

static nsec_t now(void) {
        struct timespec ts;

        check(clock_gettime(CLOCK_BOOTTIME, &ts) == 0);
        return (nsec_t) ts.tv_sec * NSEC_PER_SEC + (nsec_t) ts.tv_nsec;
}

/* Only silence costs time: who is gone says so at once. */
static void note_answer(struct keys *k, int r) {
        if (r == RPC_E_TIMEOUT)
                k->pause = k->pause ? nsec_min(2 * k->pause, PAUSE_MAX) : PAUSE_MIN;
        else if (r >= 0 && r < RPC_E_TIMEOUT)
                k->pause = 0;
        k->asked_again = nsec_add(now(), k->pause);
}

/* Answers of keyring count as faults here, but for the one that sign() knows. */
static int call(struct keys *k, const char *method, const void *message, const void **ret) {
        char text[32];
        int r;

        if (k->pause > 0 && now() < k->asked_again)
                return -EAGAIN;
        r = seqpacket_call(k->caller, method, message, k->is_started ? TIMEOUT : START_TIMEOUT,
                           ret);
        note_answer(k, r);
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
        int r = call(k, "Identity", &empty, &message);

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

nsec_t keys_renewal(const struct keys *k) {
        if (!k->is_stale)
                return NSEC_NEVER;
        return nsec_max(k->pause > 0 ? k->asked_again : 0, k->renewed_again);
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
                return call(k, "SignCertificate", &certificate, ret);
        }
        tls.spki = binary(k->signer.spki);
        if (what == TLS_SIGN_HASH)
                tls.digest = binary(input);
        else
                tls.content = binary(input);
        return call(k, "SignTls", &tls, ret);
}

static int sign(void *userdata, enum tls_sign_what what, struct bytes input, uint8_t *ret,
                size_t *ret_len) {
        struct keys *k = userdata;
        const Keyring__SignTlsReply *reply;
        const void *message;
        int r;

        if (k->is_stale) /* keyring no longer has the key of this certificate */
                return -EAGAIN;
        r = ask_signature(k, what, input, &message);

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

/* A keyring that was restarted may hold another key: we end soon (identity_watch), and until then
 * no certificate says that we are somebody else. */
static bool is_of_us(const struct keys *k, const ProtobufCBinaryData *host_key) {
        struct peer_id peer;

        return peer_id_from_public_key(BYTES(host_key->data, host_key->len), &peer) &&
               peer_id_equal(&peer, &k->peer);
}

static int bind_key(struct keys *k) {
        Keyring__BindTlsKeyRequest request = KEYRING__BIND_TLS_KEY_REQUEST__INIT;
        const Keyring__BindTlsKeyReply *reply;
        const void *message;
        int r;

        request.type = k->type == TLS_KEY_P256 ? KEYRING__TLS_KEY_TYPE__TLS_KEY_P256
                                               : KEYRING__TLS_KEY_TYPE__TLS_KEY_ED25519;
        r = call(k, "BindTlsKey", &request, &message);
        if (r)
                return error_fold(r);
        reply = message;
        if (!is_of_us(k, &reply->public_key))
                return -EAGAIN;
        k->signer = (struct tls_signer){ .userdata = k, .type = k->type, .sign = sign };
        if (!keep(&reply->spki, k->spki, sizeof(k->spki), &k->signer.spki) ||
            !keep(&reply->public_key, k->host_key, sizeof(k->host_key), &k->signer.host_key) ||
            !keep(&reply->signature, k->host_signature, sizeof(k->host_signature),
                  &k->signer.host_signature))
                return error_origin(-EBADMSG);
        k->is_stale = false;
        k->is_started = true;
        return 0;
}

int keys_certificate(struct keys *k, int64_t wall, struct tls_context **ret) {
        int r;

        k->renewed_again = nsec_add(now(), RENEWAL_PAUSE);
        r = bind_key(k);

        if (r == 0)
                r = tls_context_new(&k->signer, wall, ret);
        if (r == -EAGAIN)
                return r;
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
        r = call(k, "SignPeerRecord", &request, &message);
        if (r)
                return error_fold(r);
        reply = message;
        buffer_put(b, reply->envelope.data, reply->envelope.len);
        return 0;
}
