#pragma once

/* A run whose job cannot be handed to a worker yet: inputs of it are imported first
 * (shell_import.h). */

#include "common/base/list.h"
#include "common/canonical/descriptor.h"
#include "common/wire/unpack.h"
#include "proto/worker.pb-c.h"
#include "services/coordinator/imports.h"
#include "services/coordinator/shell.h"

#define INPUTS_MAX DESCRIPTOR_DATASETS_MAX

struct waiting {
        struct list link; /* in an import */
        struct shell *shell;
        uint64_t id;
        struct unpacked message;
        Worker__Job *job;
        bool was_again;                     /* what it waits for began again once */
        struct hash_value made[INPUTS_MAX]; /* pinned */
        char *faults[INPUTS_MAX];           /* what a row of it is refused for */
        enum { AS_IT_IS, IMPORTED, FAULTY, UNKNOWN } how[INPUTS_MAX];
};

/* NULL: not a job, or one of too many inputs. */
struct waiting *waiting_new(struct shell *s, uint64_t id, struct bytes job);
void waiting_free(struct waiting *w);

struct hash_value waiting_root(const Worker__Source *in);
struct import_room waiting_room(const struct waiting *w);
/* The widest of those in a list that is not empty, or the narrowest. */
struct import_room waiting_rooms(const struct list *waiting, bool is_narrow);
/* Its input that is that dataset, and still has to be imported. NULL: none. */
const Worker__Source *waiting_source(const struct waiting *w, const struct hash_value *source);
/* The first input that still has to be imported; its number, or n_inputs. */
size_t waiting_look_up(struct waiting *w);
/* What became of one of its inputs: settled for all that are that dataset. */
void waiting_made(struct waiting *w, const struct hash_value *source,
                  const struct hash_value *made);
void waiting_as_it_is(struct waiting *w, const struct hash_value *source);
void waiting_faulty(struct waiting *w, const struct hash_value *source, const char *text);

/* Both forget it. The job as the worker gets it; its run takes over the pins. */
void waiting_hand_over(struct waiting *w);
void waiting_fail(struct waiting *w, const Types__Problem *problem);
/* As the import of that dataset says it, under the name that this run has for it. */
void waiting_fail_import(struct waiting *w, const struct hash_value *source,
                         const Types__Problem *problem);
void waiting_tell(struct waiting *w, Worker__Report *m); /* and it waits on */
