#include "services/coordinator/imports.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"

/* ---- Room ---- */

static uint64_t larger(uint64_t a, uint64_t b) {
        return a == 0 || b == 0 ? 0 : a > b ? a : b;
}

void import_room_widen(struct import_room *room, const struct import_room *other) {
        room->memory = larger(room->memory, other->memory);
        room->cpu_ms = larger(room->cpu_ms, other->cpu_ms);
        room->wall_ms = larger(room->wall_ms, other->wall_ms);
}

static uint64_t smaller(uint64_t a, uint64_t b) {
        return a == 0 ? b : b == 0 || a < b ? a : b;
}

void import_room_narrow(struct import_room *room, const struct import_room *other) {
        room->memory = smaller(room->memory, other->memory);
        room->cpu_ms = smaller(room->cpu_ms, other->cpu_ms);
        room->wall_ms = smaller(room->wall_ms, other->wall_ms);
}

static bool is_more(uint64_t a, uint64_t than) {
        return than != 0 && (a == 0 || a > than);
}

bool import_room_is_more(const struct import_room *room, const struct import_room *than) {
        return is_more(room->memory, than->memory) || is_more(room->cpu_ms, than->cpu_ms) ||
               is_more(room->wall_ms, than->wall_ms);
}

bool import_begins_again(const struct import_course *course) {
        return !course->was_again && !course->is_fetched &&
               import_room_is_more(&course->has, &course->rest);
}

/* ---- Failures ---- */

static const struct {
        uint32_t code;
        const char *detail; /* what it begins with */
        enum import_failure failure;
} failures[] = {
        { OUTCOME_SQL_ERROR, "code=ENCODING", IMPORT_BY_DATA },
        { OUTCOME_LIMIT, "which=import", IMPORT_BY_DATA },
        { OUTCOME_LIMIT, "which=memory", IMPORT_BY_ROOM },
        { OUTCOME_LIMIT, "which=cpu", IMPORT_BY_ROOM },
        { OUTCOME_TIMEOUT, "", IMPORT_BY_ROOM },
};

#define RULE      "rule="
#define INPUT     " input="
#define WORDS_MAX 8192 /* a message of 256 bytes, each name put into it 255 */

/* What engines and the tables' readers call what is wrong with a file. */
static const char *const data_rules[] = { "import", "csv",         "ndjson",
                                          "schema", "schema size", "input" };

/* Of a rule without an input it is not known that it is about the file. */
static bool is_rule_of_data(const char *detail) {
        const char *rule = detail + strlen(RULE), *end = strstr(detail, INPUT);

        if (strncmp(detail, RULE, strlen(RULE)) != 0 || !end)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(data_rules); i++)
                if (bytes_equal(BYTES_STR(data_rules[i]), BYTES(rule, (size_t) (end - rule))))
                        return true;
        return false;
}

enum import_failure import_failure_of(uint32_t code, const char *detail) {
        if (code == OUTCOME_REFUSED && is_rule_of_data(detail))
                return IMPORT_BY_DATA;
        for (size_t i = 0; i < ELEMENTSOF(failures); i++)
                if (failures[i].code == code &&
                    strncmp(detail, failures[i].detail, strlen(failures[i].detail)) == 0)
                        return failures[i].failure;
        return IMPORT_BY_CHANCE;
}

bool import_failure_is_answer(uint32_t code, const char *detail) {
        return code == OUTCOME_SQL_ERROR && import_failure_of(code, detail) == IMPORT_BY_DATA;
}

void import_words_for(const char *words, const char *name, char *ret, size_t ret_size) {
        CLEANUP(buffer_donep) struct buffer b = {};
        const char *own;

        buffer_init(&b, WORDS_MAX);
        while ((own = strstr(words, IMPORT_NAME))) {
                buffer_put(&b, words, (size_t) (own - words));
                buffer_put(&b, name, strlen(name));
                words = own + strlen(IMPORT_NAME);
        }
        buffer_put(&b, words, strlen(words));
        (void) text_escape(buffer_bytes(&b), ret, ret_size);
}

/* ---- What is remembered ---- */

static bool is_of(const struct import_fault *f, const struct hash_value *source,
                  const char *class) {
        return hash_equal(&f->source, source) && strcmp(f->class, class) == 0;
}

static void forget(struct import_faults *f, size_t i) {
        f->n--;
        memmove(&f->of[i], &f->of[i + 1], (f->n - i) * sizeof(f->of[0]));
}

/* They are in the order of their time. */
static void expire(struct import_faults *f, nsec_t now) {
        while (f->n > 0 && f->of[0].until <= now)
                forget(f, 0);
}

void import_faults_add(struct import_faults *f, const struct import_fault *fault, nsec_t now) {
        expire(f, now);
        for (size_t i = 0; i < f->n; i++)
                if (is_of(&f->of[i], &fault->source, fault->class)) {
                        forget(f, i);
                        break;
                }
        if (f->n == IMPORT_FAULTS_MAX)
                forget(f, 0);
        f->of[f->n] = *fault;
        f->of[f->n++].until = nsec_add(now, IMPORT_FAULT_KEPT);
}

const struct import_fault *import_faults_find(struct import_faults *f,
                                              const struct hash_value *source, const char *class,
                                              nsec_t now) {
        expire(f, now);
        for (size_t i = 0; i < f->n; i++)
                if (is_of(&f->of[i], source, class))
                        return &f->of[i];
        return NULL;
}
