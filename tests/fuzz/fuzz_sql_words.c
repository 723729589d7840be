#include <string.h>
#include <strings.h>

#include "common/base/bytes.h"
#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/coordinator/sql_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SQL_MAX (64u << 10)
#define ORDER   " ORDER BY 1"

/* Whatever is quoted, the words behind it are read. */
static void check_quoted(const char *begin, struct bytes text, const char *escaped,
                         const char *end) {
        CLEANUP(buffer_donep) struct buffer b = {};
        size_t at;

        buffer_init(&b, 3 * SQL_MAX);
        buffer_put(&b, begin, strlen(begin));
        for (size_t i = 0; i < text.len; i++) {
                if (strchr(escaped, text.data[i]))
                        buffer_put_u8(&b, '\\');
                buffer_put_u8(&b, text.data[i]);
        }
        buffer_put(&b, end, strlen(end));
        at = buffer_bytes(&b).len + 1;
        buffer_put(&b, ORDER, sizeof(ORDER)); /* with its NUL */
        check(sql_outermost_order((const char *) buffer_bytes(&b).data) == (int32_t) at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t len = strnlen((const char *) data, size < SQL_MAX ? size : SQL_MAX);
        CLEANUP(freep) char *sql = xnew_n(char, len + 1);
        int32_t at;

        memcpy(sql, data, len);
        sql[len] = 0;
        at = sql_outermost_order(sql);
        check(at >= -1 && at < (int32_t) len);
        check(at < 0 || strncasecmp(sql + at, "ORDER", 5) == 0);
        (void) sql_gives_one_row(sql);
        check_quoted("SELECT E'", BYTES(sql, len), "'\\", "'");
        if (!strstr(sql, "$q$") && !(len > 1 && strcmp(sql + len - 2, "$q") == 0))
                check_quoted("SELECT $q$", BYTES(sql, len), "", "$q$");
        return 0;
}
