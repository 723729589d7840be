#pragma once

/* One blocking call to one socket of the node, for commands that ask and print. */

#include <protobuf-c/protobuf-c.h>

#include "common/wire/unpack.h"
#include "services/ctl/command.h"

struct call_target {
        const char *capability; /* "coordinator/admin" */
        const ProtobufCServiceDescriptor *service;
        nsec_t timeout; /* 0: 5 s */
        /* What to do after the service's own answers, by number; NULL: its text says it. */
        const char *const *remedies;
        size_t n_remedies;
        uint32_t usage; /* bit N: answer N says that an operand was wrong */
        /* Called about four times a second while it waits: progress. NULL: nobody cares. */
        void (*tick)(void *userdata, nsec_t elapsed);
        void *userdata;
};

/* One of several calls that are made at the same time. */
struct ctl_question {
        const struct call_target *target;
        const char *method;
        const void *request;
        struct unpacked *ret;
        uint32_t code; /* enum rpc_status, or what the service answered by number */
        char why[256]; /* of those that were not answered; as ctl_try() tells it */
};

/* Complains by itself: no such socket, nobody answers, the answer is an error.
 * Returns EXIT_OK with *ret (unpacked_done() it), or the exit code. */
int ctl_call(const struct command_context *ctx, const struct call_target *target,
             const char *method, const void *request, struct unpacked *ret);
/* The same without a word: for doctor and status. 0, or -1 with `why`. */
int ctl_try(const struct command_context *ctx, const struct call_target *target, const char *method,
            const void *request, struct unpacked *ret, char why[256]);
/* The same for all of them at once, so that together they take as long as the slowest. The tick is
 * the first one's. */
void ctl_try_all(const struct command_context *ctx, struct ctl_question *questions, size_t n);
