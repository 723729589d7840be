#include "services/ctl/json.h"

#include <inttypes.h>

#include "common/base/text.h"

static void put_char(FILE *f, uint8_t c) {
        if (c == '"' || c == '\\')
                fprintf(f, "\\%c", c);
        else if (c == '\n')
                fputs("\\n", f);
        else if (c < 0x20 || c == 0x7f)
                fprintf(f, "\\u%04x", c);
        else
                fputc(c, f);
}

void json_text(FILE *f, struct bytes v) {
        fputc('"', f);
        while (v.len > 0) {
                size_t n = utf8_valid_prefix(v);

                for (size_t i = 0; i < n; i++)
                        put_char(f, v.data[i]);
                if (n < v.len) {
                        fputs("\\ufffd", f);
                        n++;
                }
                v = BYTES(v.data + n, v.len - n);
        }
        fputc('"', f);
}

void json_string(FILE *f, const char *v) {
        json_text(f, v ? BYTES_STR(v) : BYTES_NONE);
}

void json_hex(FILE *f, const void *p, size_t n) {
        const uint8_t *b = p;

        fputc('"', f);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%02x", b[i]);
        fputc('"', f);
}

void json_key(FILE *f, const char *name, bool *first) {
        fprintf(f, "%s\"%s\":", *first ? "" : ",", name);
        *first = false;
}

void json_member_string(FILE *f, const char *name, const char *v, bool *first) {
        json_key(f, name, first);
        json_string(f, v);
}

void json_member_u64(FILE *f, const char *name, uint64_t v, bool *first) {
        json_key(f, name, first);
        fprintf(f, "%" PRIu64, v);
}

void json_member_bool(FILE *f, const char *name, bool v, bool *first) {
        json_key(f, name, first);
        fputs(v ? "true" : "false", f);
}

void json_member_ms(FILE *f, const char *name, uint64_t us, bool *first) {
        json_key(f, name, first);
        fprintf(f, "%" PRIu64 ".%03" PRIu64, us / 1000, us % 1000);
}
