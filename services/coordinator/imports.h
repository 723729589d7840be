#pragma once

/* What is decided of typed imports (shell_import.h): what one may take, whose failure it was, and
 * what is remembered of those that the data are to blame for, so that the next run of the same
 * data fails at once and with the same words. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/nsec.h"
#include "common/crypto/hash.h"
#include "services/coordinator/engines.h"

/* An import takes what one of the runs that wait for it may: its processor time, its time, and the
 * memory that was set aside with its slot. 0: as much as the worker gives. */
struct import_room {
        uint64_t memory, cpu_ms, wall_ms;
};
void import_room_widen(struct import_room *room, const struct import_room *other);
/* What each of them may. */
void import_room_narrow(struct import_room *room, const struct import_room *other);
/* Some of it is more than there. */
bool import_room_is_more(const struct import_room *room, const struct import_room *than);

/* Where an import is when one that waited for it leaves. */
struct import_course {
        struct import_room has;  /* it was begun with */
        struct import_room rest; /* the most that one of those left may take */
        bool was_again;          /* it, or another that one of those left has waited for */
        bool is_fetched;         /* it is made, and read out */
};
/* Its room was that of who has left, and the others' slots do not cover it: it begins again, with
 * what each of them may take. Once only, for any that waits: else whoever joins and leaves, as
 * often as it likes, keeps the others from their data. */
bool import_begins_again(const struct import_course *course);

enum import_failure {
        IMPORT_BY_CHANCE, /* this time, this node */
        IMPORT_BY_ROOM,   /* who may take more may try again */
        IMPORT_BY_DATA,   /* whoever tries again fails alike */
};
/* `code` and `detail` as the executor or the worker says them. What is of the data is a list: a
 * rule that is none of it costs whoever asks next a second try, and no more. */
enum import_failure import_failure_of(uint32_t code, const char *detail);
/* What every host finds in the data, so that a run may sign it: ENCODING. Any other error is how
 * the build of the engine here read the file. */
bool import_failure_is_answer(uint32_t code, const char *detail);

/* What every import calls its input: what it says names nobody's dataset, so that all who wait for
 * it, and those that ask later, may be told. A word that no message has by chance. */
#define IMPORT_NAME "imported_dataset"
/* The same for one of them, who calls it `name`; escaped, cut to what fits. */
void import_words_for(const char *words, const char *name, char *ret, size_t ret_size);

#define IMPORT_FAULTS_MAX 64
#define IMPORT_FAULT_KEPT (600 * NSEC_PER_SEC)

struct import_fault {
        struct hash_value source;
        char class[ENGINE_TEXT_SIZE]; /* of whose executor found it */
        uint32_t code;
        char detail[128], text[256];
        nsec_t until;
};
struct import_faults {
        struct import_fault of[IMPORT_FAULTS_MAX];
        size_t n;
};
/* The oldest makes room. Texts are cut to what fits. */
void import_faults_add(struct import_faults *f, const struct import_fault *fault, nsec_t now);
/* NULL: nothing is known, or no more. Valid until the next call. */
const struct import_fault *import_faults_find(struct import_faults *f,
                                              const struct hash_value *source, const char *class,
                                              nsec_t now);
