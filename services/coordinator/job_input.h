#pragma once

/* A dataset that a job reads, from being asked for until the job lets go of it. Private to the
 * requester. */

#include "common/base/bytes.h"
#include "common/crypto/hash.h"
#include "services/coordinator/handle.h"

struct job;

struct job_input {
        struct job *job;
        char *name;
        struct hash_value root;
        struct handle handle;
        bool is_ready, is_public;
        char *format, *path;
        struct buffer options, schema;
        uint64_t length;
};
