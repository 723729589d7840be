/* The real quorate-keyring over its real sockets. */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/canonical/statement.h"
#include "common/daemon/listen.h"
#include "common/daemon/packet.h"
#include "common/daemon/seqpacket.h"
#include "common/daemon/service.h"
#include "common/wire/envelope.h"
#include "proto/bus.pb-c.h"
#include "proto/keyring.pb-c.h"
#include "services/keyring/keyring.h"
#include "tests/support/inject.h"
#include "tests/support/test.h"

#define TIMEOUT (5 * NSEC_PER_SEC)
#define SOCKETS _KEYRING_SOCKET_N

struct node {
        char folder[64], seed[96];
        char names[SOCKETS][32], paths[SOCKETS][CAPABILITY_PATH_SIZE];
        int fds[SOCKETS];
        pid_t pid;
};

static const char *program(void) {
        const char *path = getenv("QUORATE_KEYRING");

        assert_non_null(path);
        return path;
}

/* Runs the program to its end; returns its exit code. */
static int run(char *const *argv) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                int null = open("/dev/null", O_WRONLY);

                (void) dup2(null, STDOUT_FILENO);
                (void) dup2(null, STDERR_FILENO);
                execv(argv[0], argv);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void mint(const char *path) {
        char *argv[] = { (char *) program(),      (char *) "--new", (char *) path,
                         (char *) "--difficulty", (char *) "0",     NULL };

        assert_int_equal(run(argv), 0);
}

/* One beside each seed that was made there. Returns how many there were. */
static size_t remove_revocations(const char *folder) {
        CLEANUP(freep) char *pattern = xasprintf("%s/revocation-*", folder);
        glob_t found = {};
        size_t n = 0;

        if (glob(pattern, 0, NULL, &found) == 0)
                for (; n < found.gl_pathc; n++)
                        assert_int_equal(unlink(found.gl_pathv[n]), 0);
        globfree(&found);
        return n;
}

static void exec_daemon(struct node *n) {
        const char *names[SOCKETS];
        char *argv[] = { (char *) program(), (char *) "--state",
                         n->folder,          (char *) "--runtime",
                         n->folder,          (char *) "--config",
                         n->folder,          (char *) "--log",
                         (char *) "warning", NULL };

        for (size_t i = 0; i < SOCKETS; i++)
                names[i] = n->names[i];
        if (listen_hand_down(n->fds, names, SOCKETS) == 0)
                execv(argv[0], argv);
        _exit(127);
}

static void start(struct node *n) {
        n->pid = fork();
        assert_true(n->pid >= 0);
        if (n->pid == 0)
                exec_daemon(n);
}

static const ProtobufCServiceDescriptor *const descriptors[SOCKETS] = {
        [KEYRING_TRANSPORT] = &keyring__transport__descriptor,
        [KEYRING_REQUESTER] = &keyring__requester__descriptor,
        [KEYRING_HOST] = &keyring__host__descriptor,
        [KEYRING_DHT] = &keyring__dht__descriptor,
        [KEYRING_GOSSIP] = &keyring__gossip__descriptor,
        [KEYRING_ADMIN] = &keyring__admin__descriptor,
};

static struct seqpacket_caller *client(const struct node *n, enum keyring_socket socket) {
        return seqpacket_caller_new(n->paths[socket], descriptors[socket]);
}

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ .len = v.len, .data = (uint8_t *) v.data };
}

static struct bytes bytes(ProtobufCBinaryData v) {
        return BYTES(v.data, v.len);
}

/* The node's public key, by way of the admin socket. */
static struct sign_public public_key(const struct node *n) {
        CLEANUP(seqpacket_caller_freep) struct seqpacket_caller *c = client(n, KEYRING_ADMIN);
        Types__Empty in = TYPES__EMPTY__INIT;
        const Keyring__IdentityReply *reply;
        struct sign_public key;
        struct peer_id id;

        assert_int_equal(seqpacket_call(c, "PublicKey", &in, TIMEOUT, (const void **) &reply), 0);
        assert_int_equal(reply->public_key.len, SIGN_PUBLIC_SIZE);
        memcpy(key.bytes, reply->public_key.data, SIGN_PUBLIC_SIZE);
        id = peer_id_from_ed25519(&key);
        assert_bytes_equal(bytes(reply->peer), peer_id_bytes(&id));
        assert_int_equal(reply->x25519.len, X25519_SIZE);
        return key;
}

static int setup(void **state) {
        struct node *n = xnew(struct node);

        strcpy(n->folder, "/tmp/quorate-keyring-XXXXXX");
        assert_non_null(mkdtemp(n->folder));
        snprintf(n->seed, sizeof(n->seed), "%s/seed", n->folder);
        mint(n->seed);
        for (size_t i = 0; i < SOCKETS; i++) {
                snprintf(n->names[i], sizeof(n->names[i]), "keyring/%s", keyring_socket_names[i]);
                assert_int_equal(capability_path(n->folder, n->names[i], false, n->paths[i]), 0);
                n->fds[i] = listen_create(n->paths[i], CAPABILITY_SEQPACKET, 0600);
                assert_true(n->fds[i] >= 0);
        }
        start(n);
        (void) public_key(n); /* it serves: what ends it now is its own doing */
        *state = n;
        return 0;
}

static int teardown(void **state) {
        struct node *n = *state;
        char folder[80];
        int status;

        assert_int_equal(kill(n->pid, SIGTERM), 0);
        assert_int_equal(waitpid(n->pid, &status, 0), n->pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        for (size_t i = 0; i < SOCKETS; i++) {
                close(n->fds[i]);
                assert_int_equal(unlink(n->paths[i]), 0);
        }
        assert_int_equal(unlink(n->seed), 0);
        assert_int_equal(remove_revocations(n->folder), 1);
        snprintf(folder, sizeof(folder), "%s/keyring", n->folder);
        assert_int_equal(rmdir(folder), 0);
        assert_int_equal(rmdir(n->folder), 0);
        free(n);
        return 0;
}

static void fill_dispatch(Keyring__SignDispatchRequest *in, const struct peer_id *host) {
        static const uint8_t job[32] = { 1 };

        keyring__sign_dispatch_request__init(in);
        in->job = binary(BYTES_OF(job));
        in->host = binary(peer_id_bytes(host));
        in->ticket = binary(BYTES_LIT("0123456789abcdef"));
}

static struct peer_id somebody(void) {
        const struct sign_public key = { { 3 } };

        return peer_id_from_ed25519(&key);
}

static void test_dispatch(void **state) {
        const struct node *n = *state;
        CLEANUP(seqpacket_caller_freep) struct seqpacket_caller *c = client(n, KEYRING_REQUESTER);
        Keyring__SignDispatchRequest in;
        const Keyring__SignedReply *reply;
        struct dispatch_statement back;
        struct peer_id host = somebody();
        struct sign_public key = public_key(n);

        fill_dispatch(&in, &host);
        assert_int_equal(seqpacket_call(c, "SignDispatch", &in, TIMEOUT, (const void **) &reply),
                         0);
        assert_true(sign_verify(&key, bytes(reply->statement), bytes(reply->signature)));
        assert_int_equal(dispatch_decode(bytes(reply->statement), &back), STATEMENT_OK);
        assert_bytes_equal(back.host, peer_id_bytes(&host));

        in.job.len = 31;
        assert_int_equal(seqpacket_call(c, "SignDispatch", &in, TIMEOUT, (const void **) &reply),
                         KEYRING_E_FIELD);
}

/* Every statement over every socket: it exists where the table says, nowhere else. */
static const struct {
        const char *method;
        enum keyring_socket socket;
        bool everywhere_but_admin;
} methods[] = {
        { "Identity", KEYRING_TRANSPORT, true },
        { "BindTlsKey", KEYRING_TRANSPORT, false },
        { "SignTls", KEYRING_TRANSPORT, false },
        { "SignCertificate", KEYRING_TRANSPORT, false },
        { "SignPeerRecord", KEYRING_TRANSPORT, false },
        { "SignDispatch", KEYRING_REQUESTER, false },
        { "SignVerdict", KEYRING_REQUESTER, false },
        { "SignCommit", KEYRING_HOST, false },
        { "SignRecord", KEYRING_DHT, false },
        { "SignMessage", KEYRING_GOSSIP, false },
        { "SignCapability", KEYRING_GOSSIP, false },
        { "PublicKey", KEYRING_ADMIN, false },
        { "SealMailbox", KEYRING_ADMIN, false },
        { "OpenMailbox", KEYRING_ADMIN, false },
        { "Rotate", KEYRING_ADMIN, false },
        { "Revoke", KEYRING_ADMIN, false },
};

static bool has_row(enum keyring_socket socket, const char *method) {
        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (strcmp(methods[i].method, method) == 0 &&
                    (socket == methods[i].socket || methods[i].everywhere_but_admin))
                        return true;
        return false;
}

/* A method that somebody adds is tried as well. */
static void test_table_is_whole(void **state) {
        for (unsigned socket = 0; socket < SOCKETS; socket++)
                for (unsigned i = 0; i < descriptors[socket]->n_methods; i++)
                        if (!has_row(socket, descriptors[socket]->methods[i].name))
                                fail_msg("%s has no row", descriptors[socket]->methods[i].name);
}

static const ProtobufCServiceDescriptor *service_with(const char *method) {
        for (size_t i = 0; i < SOCKETS; i++)
                if (protobuf_c_service_descriptor_get_method_by_name(descriptors[i], method))
                        return descriptors[i];
        fail_msg("no service has %s", method);
        return NULL;
}

/* A call of `method` to `socket`, empty request; the answer's code. */
static int call_empty(const struct node *n, enum keyring_socket socket, const char *method) {
        const ProtobufCServiceDescriptor *d = service_with(method);
        CLEANUP(seqpacket_caller_freep)
        struct seqpacket_caller *c = seqpacket_caller_new(n->paths[socket], d);
        union {
                ProtobufCMessage base;
                uint8_t room[512];
        } in = {};
        const void *reply;

        protobuf_c_service_descriptor_get_method_by_name(d, method)->input->message_init(&in.base);
        return seqpacket_call(c, method, &in, TIMEOUT, &reply);
}

static void test_wrong_socket(void **state) {
        const struct node *n = *state;

        FOREACH_CASE (c, methods)
                for (unsigned socket = 0; socket < SOCKETS; socket++) {
                        bool served = socket == c->socket ||
                                      (c->everywhere_but_admin && socket != KEYRING_ADMIN);
                        int r = call_empty(n, socket, c->method);

                        if (served)
                                assert_int_not_equal(r, RPC_E_UNKNOWN_METHOD);
                        else
                                assert_int_not_equal(r, 0);
                        assert_true(served || r == RPC_E_UNKNOWN_METHOD);
                }
}

static void test_rate(void **state) {
        const struct node *n = *state;
        CLEANUP(seqpacket_caller_freep) struct seqpacket_caller *c = client(n, KEYRING_TRANSPORT);
        Keyring__BindTlsKeyRequest in = KEYRING__BIND_TLS_KEY_REQUEST__INIT;
        const struct keyring_rule *rule = &keyring_rules[KEYRING_TLS_BINDING];
        const void *reply;
        int r = 0;

        in.type = KEYRING__TLS_KEY_TYPE__TLS_KEY_P256;
        for (uint32_t i = 0; i < rule->burst + 3 && r == 0; i++) {
                r = seqpacket_call(c, "BindTlsKey", &in, TIMEOUT, &reply);
                assert_true(r == 0 || i >= rule->burst);
        }
        assert_int_equal(r, KEYRING_E_RATE);
        /* Another statement over the same socket has a bucket of its own. */
        in.type = KEYRING__TLS_KEY_TYPE__TLS_KEY_NONE;
        assert_int_equal(seqpacket_call(c, "BindTlsKey", &in, TIMEOUT, &reply), KEYRING_E_KEY);
}

static void test_peer_record(void **state) {
        const struct node *n = *state;
        CLEANUP(seqpacket_caller_freep) struct seqpacket_caller *c = client(n, KEYRING_TRANSPORT);
        Keyring__SignPeerRecordRequest in = KEYRING__SIGN_PEER_RECORD_REQUEST__INIT;
        const Keyring__SignPeerRecordReply *reply;
        static struct peer_record record;
        struct multiaddr a;
        ProtobufCBinaryData addr;

        assert_int_equal(multiaddr_from_text(BYTES_LIT("/ip4/9.9.9.9/udp/1/quic-v1"), &a), 0);
        addr = binary(multiaddr_bytes(&a));
        in.seq = 7;
        in.n_addrs = 1;
        in.addrs = &addr;
        assert_int_equal(seqpacket_call(c, "SignPeerRecord", &in, TIMEOUT, (const void **) &reply),
                         0);
        assert_int_equal(peer_record_open(bytes(reply->envelope), &record), ENVELOPE_OK);
        assert_int_equal(record.seq, 7);
        assert_true(multiaddr_equal(&record.addrs[0], &a));
}

/* What the process may still do is read off the kernel: no debugger, filter on. */
static void test_confined(void **state) {
        const struct node *n = *state;
        char path[64], line[256];
        unsigned found = 0;
        FILE *f;

        (void) public_key(n); /* it answers, so it has been confined before */
        snprintf(path, sizeof(path), "/proc/%d/status", (int) n->pid);
        f = fopen(path, "r");
        assert_non_null(f);
        while (fgets(line, sizeof(line), f)) {
                found += strcmp(line, "NoNewPrivs:\t1\n") == 0;
                found += strcmp(line, "Seccomp:\t2\n") == 0;
                found += strcmp(line, "Threads:\t1\n") == 0;
        }
        fclose(f);
        assert_int_equal(found, getenv("QUORATE_SANITIZED") ? 2 : 3);
}

/* And tried, in the process itself, as if its code were somebody else's. */
static void test_injected_calls(void **state) {
        static const struct {
                const char *name;
                long number, a, b;
        } calls[] = {
                { "socket", SYS_socket, AF_UNIX, SOCK_STREAM },
                { "socketpair", SYS_socketpair, AF_UNIX, SOCK_STREAM },
                { "clone", SYS_clone, SIGCHLD, 0 },
                { "clone3", SYS_clone3, 0, 0 },
                { "fork", SYS_fork, 0, 0 },
                { "vfork", SYS_vfork, 0, 0 },
                { "execve", SYS_execve, 0, 0 },
                { "openat", SYS_openat, AT_FDCWD, 0 },
                { "open", SYS_open, 0, 0 },
                { "connect", SYS_connect, 0, 0 },
                { "memfd_create", SYS_memfd_create, 0, 0 },
                { "ptrace", SYS_ptrace, 0, 0 },
                { "prctl", SYS_prctl, PR_SET_DUMPABLE, 1 },
                { "unlink", SYS_unlink, 0, 0 },
                { "rename", SYS_rename, 0, 0 },
                { "mkdir", SYS_mkdir, 0, 0 },
                { "symlink", SYS_symlink, 0, 0 },
                { "link", SYS_link, 0, 0 },
                { "chmod", SYS_chmod, 0, 0 },
                { "io_uring_setup", SYS_io_uring_setup, 0, 0 },
        };
        const struct node *n = *state;

        if (getenv("QUORATE_SANITIZED") || !inject_is_possible())
                skip();
        (void) public_key(n);
        assert_int_equal(inject_call(n->pid, SYS_getpid, 0, 0, 0),
                         n->pid); /* the way itself works */
        FOREACH_CASE (c, calls) {
                long r = inject_call(n->pid, c->number, c->a, c->b, 0);

                if (r != -EPERM && r != -ENOSYS)
                        fail_msg("%s answers %ld", c->name, r);
        }
        (void) public_key(n); /* and it serves on */
}

/* ---- clients that misbehave ---- */

static int send_packet(int fd, Bus__Header *header, struct bytes body) {
        uint8_t packet[2 + LINK_HEADER_MAX + 256];
        size_t len = packet_begin(header, packet);

        assert_true(len > 0 && len + body.len <= sizeof(packet));
        if (body.len > 0)
                memcpy(packet + len, body.data, body.len);
        return seqpacket_send_raw(fd, BYTES(packet, len + body.len), NULL, 0);
}

/* Connected and introduced, not blocking. */
static int raw_client(const struct node *n, enum keyring_socket socket) {
        Bus__Header header = BUS__HEADER__INIT;
        int fd = seqpacket_dial(n->paths[socket]);
        uint8_t hello[256];

        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        header.kind = BUS__KIND__HELLO;
        assert_int_equal(
                send_packet(fd, &header,
                            BYTES(hello, link_hello_pack("test", 0, false, hello, sizeof(hello)))),
                0);
        return fd;
}

/* Asks for ever and never reads: it is cut off, and nobody else waits for it. */
static void test_never_reads(void **state) {
        const struct node *n = *state;
        Bus__Header header = BUS__HEADER__INIT;
        int fd = raw_client(n, KEYRING_REQUESTER), r = 0;
        unsigned n_served = 0;

        header.kind = BUS__KIND__CALL;
        header.name = (char *) "Identity";
        for (header.id = 1; header.id < 2000000 && r != -EPIPE && r != -ECONNRESET; header.id++) {
                r = send_packet(fd, &header, BYTES_NONE);
                if (r == -EAGAIN || header.id % 10000 == 0) {
                        (void) public_key(n); /* within its time */
                        n_served++;
                }
        }
        assert_true(r == -EPIPE || r == -ECONNRESET);
        assert_true(n_served > 0);
        close(fd);
}

/* Longer than any message: that connection ends, and only that. */
static void test_oversize(void **state) {
        CLEANUP(freep) uint8_t *packet = xcalloc(1, SEQPACKET_MAX + 1);
        const struct node *n = *state;
        int fd = raw_client(n, KEYRING_HOST), size = 4 * SEQPACKET_MAX;
        struct pollfd p = { .fd = fd, .events = POLLRDHUP };

        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
        if (seqpacket_send_raw(fd, BYTES(packet, SEQPACKET_MAX + 1), NULL, 0) == -EMSGSIZE)
                skip(); /* the system's own limit is lower, and we may not raise it */
        assert_int_equal(poll(&p, 1, 5000), 1);
        (void) public_key(n);
        close(fd);
}

/* Seed files nobody should trust: the daemon says why and does not start. */
static void test_bad_seeds(void **state) {
        const struct node *n = *state;
        CLEANUP(freep) char *folder = xasprintf("%s-other", n->folder);
        CLEANUP(freep) char *seed = xasprintf("%s/seed", folder);
        char *daemon[] = {
                (char *) program(), (char *) "--state", folder, (char *) "--config", folder, NULL
        };
        char *mint_again[] = { daemon[0],    (char *) "--new",
                               seed,         (char *) "--difficulty",
                               (char *) "0", NULL };

        assert_int_equal(mkdir(folder, 0700), 0);
        assert_int_equal(run(daemon), SERVICE_EXIT_CONFIG); /* no seed at all */
        mint(seed);
        assert_int_equal(run(mint_again), 1); /* never overwritten */
        assert_int_equal(chmod(seed, 0640), 0);
        assert_int_equal(run(daemon), SERVICE_EXIT_CONFIG);
        assert_int_equal(chmod(seed, 0600), 0);
        assert_int_equal(truncate(seed, 40), 0);
        assert_int_equal(run(daemon), SERVICE_EXIT_CONFIG);
        assert_int_equal(unlink(seed), 0);
        assert_int_equal(remove_revocations(folder), 1); /* none of the one not made */
        assert_int_equal(rmdir(folder), 0);
}

/* --libp2p: a PrivateKey any libp2p program reads, with the work done. */
static void test_libp2p_key(void **state) {
        const struct node *n = *state;
        CLEANUP(freep) char *path = xasprintf("%s/libp2p", n->folder);
        char *argv[] = { (char *) program(),      (char *) "--new", path, (char *) "--libp2p",
                         (char *) "--difficulty", (char *) "8",     NULL };
        CLEANUP(fd_closep) int fd = -1;
        struct sign_secret secret;
        struct sign_public public;
        struct stat st;
        uint8_t got[80];

        assert_int_equal(run(argv), 0);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0 && fstat(fd, &st) == 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(read(fd, got, sizeof(got)), 68);
        assert_memory_equal(got, "\x08\x01\x12\x40", 4);
        sign_keypair(got + 4, &secret, &public);
        assert_memory_equal(got + 4, secret.bytes, sizeof(secret.bytes));
        assert_true(identity_work(&public) >= 8);
        assert_int_equal(unlink(path), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

TEST_MAIN(T(test_dispatch), T(test_wrong_socket), T(test_rate), T(test_peer_record),
          T(test_confined), T(test_injected_calls), T(test_never_reads), T(test_oversize),
          T(test_bad_seeds), T(test_libp2p_key), cmocka_unit_test(test_table_is_whole))
