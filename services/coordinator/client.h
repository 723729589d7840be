#pragma once

/* The result channel of one job: frames out as far as credit goes. Private to the
 * requester. */

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "proto/coordinator.pb-c.h"

#define CLIENT_QUEUE_MAX (2u << 20) /* rows pause above this */

struct client {
        uint64_t id; /* 0: nobody is attached */
        uint32_t credit;
        struct buffer out;
        size_t given;
        uint64_t next_batch; /* that it is to get next */
        bool has_schema, has_end, has_all;
        bool is_lost; /* has rows from before a restart that cannot be continued */
        nsec_t last_progress;
};

struct job;

void client_attach(struct job *j, uint64_t id, uint64_t from_batch, nsec_t now);
void client_detach(struct job *j, nsec_t now);
void client_credit(struct job *j, uint32_t units);
void client_done(struct client *c);
bool client_is_full(const struct job *j); /* or nobody is there */

void client_batch(struct job *j, uint64_t index, struct bytes rows);
void client_restart(struct job *j); /* other rows than those before: the schema comes again */
void client_progress(struct job *j, nsec_t now);
void client_end(struct job *j); /* the last frame */
