#include "services/ctl/file_kind.h"

#include <string.h>

#include "common/base/memory.h"
#include "common/base/text.h"

#define LOOKED_AT 4096

/* Without the version: a later one is of the same kind. */
static const struct {
        enum file_kind kind;
        const char *begins;
} beginnings[] = {
        { FILE_RECEIPT, "QRCP" },
        { FILE_ROWS, "QROW" },
        { FILE_SQLITE, "SQLite format 3" },
};

static bool is_text(struct bytes v) {
        if (v.len - utf8_valid_prefix(v) > 3) /* a character may be cut in two */
                return false;
        for (size_t i = 0; i < v.len; i++)
                if (v.data[i] < 0x20 && !strchr("\t\r\n", v.data[i]))
                        return false;
        return true;
}

enum file_kind file_kind_of(struct bytes file) {
        if (file.len == 0)
                return FILE_EMPTY;
        for (size_t i = 0; i < ELEMENTSOF(beginnings); i++)
                if (file.len >= strlen(beginnings[i].begins) &&
                    memcmp(file.data, beginnings[i].begins, strlen(beginnings[i].begins)) == 0)
                        return beginnings[i].kind;
        return is_text(BYTES(file.data, file.len < LOOKED_AT ? file.len : LOOKED_AT))
                       ? FILE_TEXT
                       : FILE_UNKNOWN;
}

bool file_kind_nearly(struct bytes file, enum file_kind kind, size_t *ret_at) {
        const char *begins = NULL;
        size_t n_wrong = 0;

        for (size_t i = 0; i < ELEMENTSOF(beginnings); i++)
                if (beginnings[i].kind == kind)
                        begins = beginnings[i].begins;
        if (!begins || file.len < strlen(begins))
                return false;
        for (size_t i = 0; begins[i]; i++)
                if (file.data[i] != (uint8_t) begins[i]) {
                        n_wrong++;
                        *ret_at = i;
                }
        return n_wrong == 1;
}

const char *file_kind_text(enum file_kind kind) {
        static const char *const texts[_FILE_KIND_N] = {
                [FILE_UNKNOWN] = "of a kind not known here",
                [FILE_EMPTY] = "empty",
                [FILE_RECEIPT] = "a receipt",
                [FILE_ROWS] = "a rows file",
                [FILE_SQLITE] = "a SQLite database",
                [FILE_TEXT] = "text",
        };

        return texts[kind];
}
