#include "services/ctl/colour.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"

#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define OFF    "\033[0m"

static const struct {
        const char *word, *colour;
} words[] = {
        { "VERIFIED", GREEN },  { "CACHED", GREEN },      { "TRUSTED", YELLOW },
        { "LOCAL", YELLOW },    { "UNVERIFIED", YELLOW }, { "CONTESTED", RED },
        { "SPLIT", RED },       { "error", RED },         { "ok", GREEN },
        { "warn", YELLOW },     { "fail", RED },          { "ready", GREEN },
        { "starting", YELLOW }, { "waiting", YELLOW },    { "stopping", YELLOW },
        { "ended", RED },       { "connected", GREEN },   { "dialling", YELLOW },
        { "backing off", RED }, { "paused", YELLOW },     { "answered", GREEN },
        { "told", YELLOW },     { "blocked", RED },       { "FAILED", RED },
        { "damaged", RED },     { "correct", GREEN },     { "incorrect", RED },
        { "dissent", RED },     { "malformed", RED },     { "timeout", YELLOW },
        { "refused", YELLOW },  { "hardware", YELLOW },
};

const char *colour_of(const char *word) {
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                size_t n = strlen(words[i].word);

                /* "backing off 8s" counts too, "okay" does not. */
                if (strncmp(word, words[i].word, n) == 0 && (word[n] == 0 || word[n] == ' '))
                        return words[i].colour;
        }
        return "";
}

static bool is_wanted(const struct command_context *ctx, FILE *f) {
        const char *never = getenv("NO_COLOR");

        return !ctx->common.no_color && !(never && *never) && isatty(fileno(f));
}

const char *colour_begin(const struct command_context *ctx, FILE *f, const char *word) {
        return is_wanted(ctx, f) ? colour_of(word) : "";
}

const char *colour_end(const struct command_context *ctx, FILE *f, const char *word) {
        return *colour_begin(ctx, f, word) ? OFF : "";
}
