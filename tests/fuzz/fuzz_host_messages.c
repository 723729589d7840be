/* Bytes of two peers into the host role. The input is a script: one byte says what
 * happens next, then comes its argument. */

#include "common/base/error.h"
#include "services/coordinator/denied.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/role.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool accept_all(const struct sign_public *key, struct bytes message,
                       struct bytes signature) {
        return true;
}

struct run {
        struct core core;
        struct governor governor;
        void *host;
        nsec_t now;
        uint64_t next_stream, work; /* the run started last */
};

static void answer(struct run *x, const struct action *a) {
        static const uint8_t signature[64];

        switch (a->type) {
        case ACTION_JOURNAL:
                host_role.journalled(x->host, a->id, true, x->now);
                break;
        case ACTION_RECALL:
                host_recalled(x->host, a->id, BYTES_NONE, x->now);
                break;
        case ACTION_SIGN:
                host_role.answered(x->host, a->id, refbuf_bytes(a->data), BYTES_OF(signature),
                                   x->now);
                break;
        case ACTION_WORK:
                x->work = a->id;
                break;
        case ACTION_INPUT:
                host_role.input(x->host, a->id, NULL, &(struct input_failure){ .code = 11 },
                                x->now);
                break;
        default:
                break;
        }
}

static void pump(struct run *x) {
        struct action a;

        while (actions_take(x->core.actions, &a)) {
                answer(x, &a);
                action_done(&a);
        }
}

static void open_stream(struct run *x, unsigned which) {
        struct stream_remote remote = { .peer = { .len = 38, .bytes = { 0, 36, 8, 1, 18, 32 } } };

        remote.peer.bytes[6] = (uint8_t) (which & 1);
        host_role.opened(x->host, x->next_stream, &remote, 8, x->now);
        x->next_stream += 2;
}

static void step(struct run *x, unsigned what, struct bytes argument) {
        uint64_t newest = x->next_stream - 2;

        switch (what % 8) {
        case 0:
                open_stream(x, what >> 3);
                break;
        case 1:
        case 2:
                host_role.data(x->host, newest, argument, x->now);
                break;
        case 3:
                host_role.closed(x->host, newest, 0, x->now);
                break;
        case 4:
                host_role.finished(x->host, newest, x->now);
                break;
        case 5:
                x->now += (argument.len + 1) * NSEC_PER_SEC;
                host_role.expire(x->host, x->now);
                break;
        case 6:
                host_role.window(x->host, newest, 4, x->now);
                break;
        case 7: /* a worker is not trusted either */
                host_role.report(x->host, x->work, argument, x->now);
                break;
        }
        pump(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char engine[] = "sqlite-test";
        char *engines[] = { engine };
        struct run x = { .core.settings = settings_default, .next_stream = 1 };
        struct reader r = reader_of(BYTES(data, size));

        x.core.actions = actions_new();
        x.core.governor = &x.governor;
        x.core.denied = denied_new(1, NULL, 0);
        x.core.verify = accept_all;
        x.core.engines = engines;
        x.core.n_engines = 1;
        x.core.next_id[ROLE_HOST] = (UINT64_C(1) << 62) + 1;
        x.core.self = (struct peer_id){ .len = 38, .bytes = { 0, 36, 8, 1, 18, 32, 9 } };
        governor_init(&x.governor, 0, 4);
        governor_capacity(&x.governor, &(struct governor_worker){ .slots = 2, .memory = 1 << 30 },
                          1);
        x.host = host_role.new(&x.core, 1);
        host_role.start(x.host, 0);
        open_stream(&x, 0);
        while (reader_left(&r) >= 3) {
                unsigned what = reader_u8(&r);
                size_t len = reader_u16(&r);

                step(&x, what, reader_take(&r, len < reader_left(&r) ? len : reader_left(&r)));
        }
        host_role.free(x.host);
        actions_free(x.core.actions);
        denied_free(x.core.denied);
        return 0;
}
