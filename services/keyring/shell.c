#include "services/keyring/shell.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/crypto/random.h"
#include "common/daemon/listen.h"
#include "common/daemon/log.h"
#include "common/daemon/seqpacket.h"
#include "common/daemon/service.h"
#include "quorate-config.h"
#include "services/keyring/config.h"
#include "services/keyring/confine.h"
#include "services/keyring/rpc.h"
#include "services/keyring/store.h"
#include "services/keyring/vault.h"

#define PEERS_MAX 8 /* per socket: one client, and room for its successor while it restarts */

struct shell {
        struct keyring *keyring; /* in the vault */
        struct keyring_rpc rpc;
        struct transport_service transport;
        struct requester_service requester;
        struct host_service host;
        struct admin_service admin;
        struct dht_service dht;
        struct gossip_service gossip;
        struct rpc_server *servers[_KEYRING_SOCKET_N];
        struct seqpacket_server *listeners[_KEYRING_SOCKET_N];
        struct loop_source *confine;
};

#define METRIC_ARRAY(name_, member_, i_, help_)                                        \
        {                                                                              \
                .name = (name_), .kind = METRIC_COUNTER,                               \
                .offset = offsetof(struct keyring, member_) + (i_) * sizeof(uint64_t), \
                .help = (help_)                                                        \
        }

static const struct metric metrics[] = {
        METRIC_ARRAY("tls_server", signed_n, KEYRING_TLS_SERVER, "handshakes signed as server"),
        METRIC_ARRAY("tls_client", signed_n, KEYRING_TLS_CLIENT, "handshakes signed as client"),
        METRIC_ARRAY("tls_digest", signed_n, KEYRING_TLS_DIGEST, "signed with the P-256 key"),
        METRIC_ARRAY("peer_record", signed_n, KEYRING_PEER_RECORD, "peer records signed"),
        METRIC_ARRAY("dispatch", signed_n, KEYRING_DISPATCH, "dispatch statements signed"),
        METRIC_ARRAY("verdict", signed_n, KEYRING_VERDICT, "verdicts signed"),
        METRIC_ARRAY("commit", signed_n, KEYRING_COMMIT, "commits signed"),
        METRIC_ARRAY("record", signed_n, KEYRING_DHT_RECORD, "records of the DHT signed"),
        METRIC_ARRAY("pubsub_message", signed_n, KEYRING_MESSAGE, "pubsub messages signed"),
        METRIC_ARRAY("capability", signed_n, KEYRING_CAPABILITY, "capability records signed"),
        METRIC_ARRAY("rotation", signed_n, KEYRING_ROTATION, "successors of this key signed"),
        METRIC_ARRAY("revocation", signed_n, KEYRING_REVOCATION, "revocations of this key signed"),
        METRIC_ARRAY("letter", signed_n, KEYRING_LETTER, "letters signed"),
        METRIC_ARRAY("refused_field", refused_n, KEYRING_E_FIELD, "requests with a bad field"),
        METRIC_ARRAY("refused_rate", refused_n, KEYRING_E_RATE, "requests above their rate"),
        METRIC_ARRAY("refused_foreign", refused_n, KEYRING_E_FOREIGN, "for others or other keys"),
        METRIC_ARRAY("faults", refused_n, KEYRING_E_FAULT, "signatures that did not verify"),
        {},
};

/* ---- the seed ---- */

/* `configured`, else the credential of that name, else `fallback` (may be NULL). */
static struct store_file find_secret(const char *configured, const char *credential, char **owned,
                                     char *fallback) {
        const char *folder = getenv("CREDENTIALS_DIRECTORY");

        *owned = fallback;
        if (*configured)
                return (struct store_file){ .path = configured };
        if (folder) {
                CLEANUP(freep) char *path = xasprintf("%s/%s", folder, credential);

                if (access(path, F_OK) == 0) {
                        free(fallback);
                        *owned = TAKE(path);
                        return (struct store_file){ .path = *owned, .is_credential = true };
                }
        }
        return (struct store_file){ .path = fallback };
}

static int load_seed(const struct service_context *ctx, uint8_t seed[IDENTITY_SEED_SIZE]) {
        const struct keyring_config *config = ctx->config;
        CLEANUP(freep) char *seed_path = NULL;
        CLEANUP(freep) char *phrase_path = NULL;
        struct store_file file, phrase;
        char error[STORE_ERROR_SIZE];

        file = find_secret(config->seed, "seed", &seed_path, xasprintf("%s/seed", ctx->state));
        phrase = find_secret(config->passphrase_file, "passphrase", &phrase_path, NULL);
        if (store_load_seed(&file, &phrase, seed, error) == STORE_OK)
                return 0;
        log_error("%s", error);
        return service_refuse();
}

static int make_tls_keys(struct certkey *ret[_CERTKEY_N]) {
        uint8_t seed[32];
        int r = 0;

        random_bytes(seed, sizeof(seed));
        for (unsigned type = 0; type < _CERTKEY_N && r == 0; type++)
                r = certkey_new(type, seed, &ret[type]);
        crypto_wipe(seed, sizeof(seed));
        return r;
}

static int open_vault(struct shell *s, const struct service_context *ctx) {
        struct certkey *tls[_CERTKEY_N] = {};
        uint8_t seed[IDENTITY_SEED_SIZE];
        bool locked;
        int r;

        s->keyring = vault_new(sizeof(*s->keyring), &locked);
        r = load_seed(ctx, seed);
        if (r == 0)
                r = make_tls_keys(tls);
        if (r == 0)
                keyring_init(s->keyring, seed, tls);
        crypto_wipe(seed, sizeof(seed));
        if (r == 0 && (!locked || !vault_lock_heap()))
                log_warning("cannot lock memory: secrets may reach swap; raise LimitMEMLOCK");
        return r;
}

/* ---- sockets ---- */

static const ProtobufCService *service_of(struct shell *s, enum keyring_socket socket) {
        const ProtobufCService *const services[_KEYRING_SOCKET_N] = {
                [KEYRING_TRANSPORT] = &s->transport.service.base,
                [KEYRING_REQUESTER] = &s->requester.service.base,
                [KEYRING_HOST] = &s->host.service.base,
                [KEYRING_ADMIN] = &s->admin.service.base,
                [KEYRING_DHT] = &s->dht.service.base,
                [KEYRING_GOSSIP] = &s->gossip.service.base,
        };

        return services[socket];
}

/* Returns 1 when the socket is served, 0 when none was handed down, or a fault. */
static int serve(struct shell *s, struct loop *loop, enum keyring_socket socket) {
        CLEANUP(freep) char *name = xasprintf("keyring/%s", keyring_socket_names[socket]);
        struct link_policy policy = {};
        int fd = listen_take(name), r;

        if (fd < 0)
                return 0;
        policy.capability = capability_find(name)->name;
        s->servers[socket] = rpc_server_new(loop, service_of(s, socket), 0);
        r = seqpacket_server_new(loop, fd, &policy, s->servers[socket], PEERS_MAX,
                                 &s->listeners[socket]);
        return r < 0 ? error_fold(r) : 1;
}

static int serve_all(struct shell *s, struct loop *loop) {
        int n = 0, r;

        s->rpc = (struct keyring_rpc){ .keyring = s->keyring, .loop = loop };
        s->transport = (struct transport_service){ keyring_transport_service, &s->rpc };
        s->requester = (struct requester_service){ keyring_requester_service, &s->rpc };
        s->host = (struct host_service){ keyring_host_service, &s->rpc };
        s->admin = (struct admin_service){ keyring_admin_service, &s->rpc };
        s->dht = (struct dht_service){ keyring_dht_service, &s->rpc };
        s->gossip = (struct gossip_service){ keyring_gossip_service, &s->rpc };
        for (unsigned i = 0; i < _KEYRING_SOCKET_N; i++) {
                r = serve(s, loop, i);
                if (r < 0)
                        return r;
                n += r;
        }
        if (n == 0) {
                log_error("no socket was handed down: start it by systemd or `quorate run`");
                return error_origin(-ENOTCONN);
        }
        return 0;
}

/* ---- the last doors ---- */

/* Only what serving takes is left once the first turn begins: until then service_main()
 * itself needs more, to confine us. */
static int on_confine(void *userdata) {
        (void) userdata;
        return QUORATE_SANITIZED ? 0 : confine_serving(); /* sanitizers read files at exit */
}

static int confine_soon(struct shell *s, struct loop *loop) {
        const struct rlimit no_core = {};
        int r;

        if (setrlimit(RLIMIT_CORE, &no_core) < 0)
                return error_origin(-errno);
        r = loop_add_timer(loop, on_confine, s, &s->confine);
        return r ? r : loop_timer_set(s->confine, loop_now(loop));
}

int shell_start(struct service_context *ctx, void **ret) {
        struct shell *s = xnew(struct shell);
        char text[PEER_ID_TEXT_SIZE];
        int r;

        *ret = s; /* shell_stop() takes it from here, whole or half built */
        r = open_vault(s, ctx);
        if (r == 0)
                r = serve_all(s, ctx->loop);
        if (r == 0)
                r = confine_soon(s, ctx->loop);
        if (r < 0)
                return error_fold(r);
        metrics_register(ctx->metrics, NULL, metrics, s->keyring);
        log_info("this node is %s", peer_id_text(&s->keyring->self, text));
        return 0;
}

void *shell_stop(struct service_context *ctx, void *userdata) {
        struct shell *s = userdata;

        if (!s)
                return NULL;
        loop_source_free(s->confine);
        for (unsigned i = 0; i < _KEYRING_SOCKET_N; i++) {
                seqpacket_server_free(s->listeners[i]);
                rpc_server_free(s->servers[i]);
        }
        if (s->keyring)
                keyring_done(s->keyring);
        vault_free(s->keyring, sizeof(*s->keyring));
        free(s);
        return NULL;
}
