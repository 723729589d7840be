#include "services/worker/analysis_said.h"

#include "services/worker/shape.h"

static void say_findings(const struct engine_analysis *a, struct analysis_said *ret) {
        for (size_t i = 0; i < a->n_findings; i++) {
                ret->findings[i] = (Worker__Finding) WORKER__FINDING__INIT;
                ret->findings[i].expression = (char *) a->findings[i].expression;
                ret->findings[i].position = a->findings[i].position;
                ret->findings[i].why = (char *) a->findings[i].why;
                ret->pointers[i] = &ret->findings[i];
        }
        ret->message.findings = ret->pointers;
        ret->message.n_findings = a->n_findings;
}

void analysis_say(const struct engine *engine, const struct engine_analysis *a, const char *why_not,
                  struct analysis_said *ret) {
        Worker__Analysis *m = &ret->message;

        *m = (Worker__Analysis) WORKER__ANALYSIS__INIT;
        say_findings(a, ret);
        engine->class_name(ret->class_name);
        ret->shape = statement_shape(BYTES_STR(a->rewrite));
        m->class_name = (char *) engine_class_name(a->class);
        m->rewrite = a->rewrite;
        m->schema = (ProtobufCBinaryData){ a->schema.len, a->schema.data };
        m->ordered = a->is_ordered;
        m->portable = !why_not;
        m->not_portable = (char *) (why_not ? why_not : "");
        m->not_portable_at = a->not_portable ? a->not_portable_at : -1;
        m->repeatable = !a->sees_job;
        m->engine = ret->class_name;
        m->shape = (ProtobufCBinaryData){ HASH_SIZE, ret->shape.bytes };
}
