#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "common/client/executor.h"
#include "common/client/internal.h"
#include "common/crypto/random.h"
#include "common/daemon/capability.h"
#include "common/daemon/runtime.h"

#define CONNECT_WITHIN (10 * NSEC_PER_SEC)
#define CONNECT_SAYS   (500 * NSEC_PER_MSEC)
#define CALL_WITHIN    (30 * NSEC_PER_SEC)

static const char *const code_texts[] = {
        [QUORATE_OK] = "ok",
        [QUORATE_ROW] = "a row",
        [QUORATE_PROGRESS] = "progress",
        [QUORATE_END] = "the end",
        [QUORATE_AGAIN] = "nothing yet",
        [QUORATE_E_NO_NODE] = "no node is running here",
        [QUORATE_E_LOST] = "the node went away",
        [QUORATE_E_REFUSED] = "refused",
        [QUORATE_E_INPUT] = "an input cannot be used",
        [QUORATE_E_USAGE] = "not a valid request",
        [QUORATE_E_PROTOCOL] = "the node sent something malformed",
        [QUORATE_E_SILENT] = "a node runs here but does not answer; look at `quorate doctor`",
        [QUORATE_E_DENIED] = "this node's sockets are not yours to use; ask its operator",
        [QUORATE_E_FOREIGN] = ("others could have put the sockets into the usual runtime "
                               "directory; remove it, or name one with --runtime DIR"),
};

const char *quorate_code_text(int code) {
        return code >= 0 && (size_t) code < ELEMENTSOF(code_texts) ? code_texts[code] : "unknown";
}

const char *quorate_error(const struct quorate *q) {
        return q->error;
}

int client_fail(struct quorate *q, int code, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void) vsnprintf(q->error, sizeof(q->error), format, args);
        va_end(args);
        return code;
}

int client_fail_inputs(struct quorate *q) {
        return client_fail(q, QUORATE_E_USAGE,
                           "at most %d datasets in one query; put some into one SQLite file as its "
                           "tables, or join them beforehand, and give that",
                           QUORATE_INPUTS_MAX);
}

void quorate_wake(struct quorate *q) {
        uint64_t one = 1;
        int e = errno;

        (void) !write(q->wake_fd, &one, sizeof(one));
        errno = e;
}

static int on_wake(void *userdata, uint32_t events) {
        struct quorate *q = userdata;
        uint64_t n;

        q->woken = read(q->wake_fd, &n, sizeof(n)) == sizeof(n);
        return 0;
}

int client_wait(struct quorate *q, const bool *done, nsec_t deadline) {
        while (!*done && !q->woken) {
                nsec_t now = loop_now(q->loop);
                int r;

                if (now >= deadline)
                        return QUORATE_AGAIN;
                r = loop_turn(q->loop, deadline == NSEC_NEVER ? NSEC_NEVER : deadline - now);
                if (r < 0)
                        return client_fail(q, QUORATE_E_PROTOCOL, "event loop: %s", strerror(-r));
        }
        q->woken = false;
        return *done ? QUORATE_OK : QUORATE_AGAIN;
}

static void on_up(void *userdata) {
        ((struct quorate *) userdata)->up = true;
}

static void on_down(void *userdata) {
        ((struct quorate *) userdata)->up = false;
}

/* Where nobody named a folder, whoever could write to the usual one might answer. */
static int find_runtime(char ret[CAPABILITY_PATH_SIZE]) {
        const char *given = getenv("QUORATE_RUNTIME");
        uid_t owner;

        if (given && *given)
                return snprintf(ret, CAPABILITY_PATH_SIZE, "%s", given) < CAPABILITY_PATH_SIZE
                               ? QUORATE_OK
                               : QUORATE_E_USAGE;
        if (!runtime_default(ret, CAPABILITY_PATH_SIZE))
                return QUORATE_E_USAGE;
        return runtime_check(ret, &owner) == RUNTIME_FOREIGN ? QUORATE_E_FOREIGN : QUORATE_OK;
}

/* Whether somebody listens: ZeroMQ would only try for ever. */
static int probe(const char *path) {
        CLEANUP(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
                return QUORATE_E_USAGE;
        memcpy(address.sun_path, path, strlen(path));
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0 || errno == EAGAIN)
                return QUORATE_OK;
        return errno == EACCES || errno == EPERM ? QUORATE_E_DENIED : QUORATE_E_NO_NODE;
}

/* For the node behind a socket that somebody holds. */
struct patience {
        nsec_t within;
        void (*waiting)(void *userdata, uint64_t waited_ms);
        void *userdata;
};

static int wait_for_node(struct quorate *q, const struct patience *p) {
        nsec_t began = loop_now(q->loop), end = nsec_add(began, p->within);

        while (client_wait(q, &q->up, nsec_min(end, nsec_add(loop_now(q->loop), CONNECT_SAYS)))) {
                if (loop_now(q->loop) >= end)
                        return QUORATE_E_SILENT;
                if (p->waiting)
                        p->waiting(p->userdata, (loop_now(q->loop) - began) / NSEC_PER_MSEC);
        }
        return QUORATE_OK;
}

static int connect_to(struct quorate *q, const char *runtime, const struct patience *patience) {
        char path[CAPABILITY_PATH_SIZE], place[CAPABILITY_PATH_SIZE];
        struct bus_client_options options = { .path = path, .service = "client", .data = true };
        int r;

        if (!runtime) {
                r = find_runtime(place);
                if (r)
                        return r;
                runtime = place;
        }
        if (capability_path(runtime, "coordinator/query", false, path))
                return QUORATE_E_USAGE;
        q->runtime = xstrdup(runtime);
        r = probe(path);
        if (r)
                return r;
        q->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (q->wake_fd < 0 || loop_new(&q->loop) ||
            loop_add_io(q->loop, q->wake_fd, EPOLLIN, on_wake, q, &q->waker) ||
            bus_client_new(q->loop, &options, &q->bus))
                return QUORATE_E_NO_NODE;
        q->rpc = rpc_client_new(bus_client_link(q->bus), &coordinator__query__descriptor);
        rpc_client_watch(q->rpc, on_up, on_down, q);
        return wait_for_node(q, patience);
}

int quorate_open(const char *runtime, struct quorate **ret) {
        return quorate_open_within(runtime, CONNECT_WITHIN / NSEC_PER_MSEC, NULL, NULL, ret);
}

int quorate_open_within(const char *runtime, uint64_t timeout_ms,
                        void (*waiting)(void *userdata, uint64_t waited_ms), void *userdata,
                        struct quorate **ret) {
        const uint64_t most = CONNECT_WITHIN / NSEC_PER_MSEC;
        const struct patience patience = { .within = nsec_min(timeout_ms, most) * NSEC_PER_MSEC,
                                           .waiting = waiting,
                                           .userdata = userdata };
        struct quorate *q = calloc(1, sizeof(*q));
        int r;

        *ret = NULL;
        crypto_start();
        if (!q)
                return QUORATE_E_USAGE;
        q->wake_fd = -1;
        r = connect_to(q, runtime, &patience);
        if (r != QUORATE_OK) {
                quorate_close(q);
                return r;
        }
        *ret = q;
        return QUORATE_OK;
}

int quorate_open_private(const char *executor, struct quorate **ret) {
        struct quorate *q = calloc(1, sizeof(*q));

        *ret = NULL;
        crypto_start();
        if (!q)
                return QUORATE_E_USAGE;
        q->executor = strdup(executor);
        q->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (!q->executor || q->wake_fd < 0 || loop_new(&q->loop)) {
                quorate_close(q);
                return QUORATE_E_USAGE;
        }
        *ret = q;
        return QUORATE_OK;
}

void quorate_close(struct quorate *q) {
        if (!q)
                return;
        unpacked_done(&q->explained);
        unpacked_done(&q->uploaded);
        free(q->findings);
        rpc_client_free(q->rpc);
        bus_client_free(q->bus);
        loop_source_free(q->waker);
        loop_free(q->loop);
        fd_close(q->wake_fd);
        for (size_t i = 0; i < ELEMENTSOF(q->zygotes); i++)
                executor_zygote_free(q->zygotes[i]);
        free(q->executor);
        free(q->runtime);
        free(q);
}

struct waiting {
        struct quorate *q;
        bool done;
        uint32_t code;
        const ProtobufCMessageDescriptor *type;
        struct unpacked *reply;
};

/* The message is the loop's: keep a copy by packing it once more. */
static void on_done(void *userdata, const struct rpc_result *result) {
        struct waiting *w = userdata;
        CLEANUP(buffer_donep) struct buffer b = {};

        w->done = true;
        w->code = result->code;
        if (result->code != RPC_OK) {
                char shown[256];

                text_escape(BYTES_STR(result->text), shown, sizeof(shown));
                (void) client_fail(w->q, QUORATE_E_REFUSED, "%s", shown);
                return;
        }
        buffer_init(&b, BUS_MESSAGE_MAX);
        wire_pack(&b, result->message);
        if (b.failed || wire_unpack(w->type, buffer_bytes(&b), NULL, w->reply))
                w->code = RPC_E_MALFORMED;
}

int client_call(struct quorate *q, const char *method, const void *request,
                const ProtobufCMessageDescriptor *reply_type, struct unpacked *ret) {
        struct waiting w = { .q = q, .type = reply_type, .reply = ret };
        uint64_t id = rpc_call(q->rpc, method, request, CALL_WITHIN, on_done, &w);
        int r = client_wait(q, &w.done, NSEC_NEVER);

        if (!w.done) {
                rpc_cancel(q->rpc, id);
                while (!w.done && loop_turn(q->loop, NSEC_PER_SEC) >= 0)
                        continue;
                return r;
        }
        if (w.code == RPC_OK)
                return QUORATE_OK;
        if (w.code == RPC_E_GONE || w.code == RPC_E_TIMEOUT)
                return client_fail(q, QUORATE_E_LOST,
                                   "the node does not answer; look at `quorate doctor`");
        if (w.code == RPC_E_MALFORMED)
                return client_fail(q, QUORATE_E_PROTOCOL, "malformed answer");
        return w.code == OUTCOME_USAGE ? QUORATE_E_USAGE : QUORATE_E_REFUSED;
}
