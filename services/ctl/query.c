/* quorate query: ask once, show the rows, say how far they are to be believed. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "services/ctl/ask.h"

#define SQL_MAX (1u << 20)

static const struct option options[] = {
        ASK_OPTION_ROWS,
        {},
};

/* "-" reads the statement from standard input. */
static char *read_sql(const char *operand) {
        char *sql;
        size_t n;

        if (strcmp(operand, "-") != 0)
                return xstrdup(operand);
        sql = xcalloc(SQL_MAX + 1, 1);
        n = fread(sql, 1, SQL_MAX, stdin);
        sql[n] = 0;
        return sql;
}

static int run(const struct command_context *ctx) {
        const struct ask_options *o = ctx->options;
        CLEANUP(freep) char *sql = NULL;
        struct quorate *q;
        int code;

        if (ctx->operands.n_items != 1)
                return complain(ctx, EXIT_USAGE,
                                "query: give one statement in quotes, or - to read it");
        sql = read_sql(ctx->operands.items[0]);
        code = ask_open(ctx, o, &q);
        if (code)
                return code;
        code = ask_once(ctx, o, q, sql);
        quorate_close(q);
        return code;
}

const struct command command_query = {
        .name = "query",
        .usage = "query [OPTIONS] SQL",
        .summary = "Ask; an answer counts when independent hosts agree",
        .example = "quorate query -d sales.db 'SELECT city, sum(n) FROM sale GROUP BY 1'",
        .options = options,
        .options_size = sizeof(struct ask_options),
        .run = run,
};
