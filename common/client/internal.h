#pragma once

/* What the parts of libquorate share. */

#include "common/base/bytes.h"
#include "common/base/list.h"
#include "common/canonical/schema.h"
#include "common/client/quorate.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/loop.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/coordinator.pb-c.h"

#define CLIENT_FRAME_MAX (17u << 20) /* one batch with one row of 16 MiB */

#define CLIENT_NOTES_MAX 16

struct quorate {
        struct loop *loop;
        struct bus_client *bus;
        struct rpc_client *rpc;
        struct loop_source *waker;
        int wake_fd;
        bool woken, up;
        char *runtime;
        char error[512];
        struct unpacked explained; /* of the last quorate_explain() */
        struct quorate_explanation explanation;
        struct quorate_finding *findings;
        char *executor;                     /* without a node: the program that answers instead */
        struct executor_zygote *zygotes[2]; /* of SQLite, of DuckDB; NULL: not yet */
        uint64_t n_private;                 /* jobs of it */
        struct unpacked uploaded;           /* UploadDone of the last upload */
        struct quorate_column_note notes[CLIENT_NOTES_MAX]; /* of that */
        size_t n_notes;
};

/* Remembers one line for quorate_error(); returns code. */
int client_fail(struct quorate *q, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
int client_fail_inputs(struct quorate *q); /* of more than QUORATE_INPUTS_MAX */
/* Turns the loop until *done, the deadline (NSEC_NEVER: none), or quorate_wake().
 * QUORATE_OK: done. QUORATE_AGAIN: not. */
int client_wait(struct quorate *q, const bool *done, nsec_t deadline);

/* One call, waited for. QUORATE_OK with *ret (unpacked_done() it), or why not. */
int client_call(struct quorate *q, const char *method, const void *request,
                const ProtobufCMessageDescriptor *reply_type, struct unpacked *ret);

/* Snapshot and upload of one input, which its node describes; fills root. fn: progress, or NULL. */
int client_upload(struct quorate *q, const struct quorate_input *input, quorate_upload_fn fn,
                  void *userdata, uint8_t ret_root[32]);
/* quorate_wake() was called, as for Ctrl-C. */
bool client_is_woken(const struct quorate *q);
/* A private copy of the SQLite file at `path`, in rollback-journal form, as an unlinked
 * file; its length in *ret_len. */
int client_snapshot(struct quorate *q, const char *path, int *ret_fd, uint64_t *ret_len);

/* What an executor found wrong with a file of that format: "PATH: place: what; remedy" where
 * it said so, else the general words. Returns QUORATE_E_INPUT. */
int client_bad_file(struct quorate *q, const char *path, const char *format, const char *detail,
                    const char *text);
/* "NAME: remedy" of a problem, escaped, into ret. */
const char *client_problem_text(const Types__Problem *p, char *ret, size_t size);
/* NULL: nothing is known. Views into e. */
struct quorate_cost client_estimate(const Coordinator__Estimate *e);

/* Spells any cell; appended to b without a final 0. `t` is the declared type, whose scale a
 * DECIMAL is shown with (7.00), or NULL: as the cell has it. */
void value_text(const struct cell *c, const struct schema_type *t, struct buffer *b);
void value_fill(const struct cell *c, const struct schema_type *t, struct buffer *text,
                struct quorate_value *ret);
