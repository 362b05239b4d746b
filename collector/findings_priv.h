/* The formats of findings.h, and what they are given. */
#ifndef LETHE_COLLECTOR_FINDINGS_PRIV_H
#define LETHE_COLLECTOR_FINDINGS_PRIV_H

#include "findings.h"

struct finding {
    const struct input     *input;
    uint64_t                line;
    enum kind               kind;
    const struct detail    *detail;
    const struct rule_info *rule;
};

struct findings_format {
    const char  *name;
    struct slice heading;
    bool         joined;   /* entries are joined by commas */
    void       (*finding)(struct text *, const struct findings *, const struct finding *);
    void       (*withheld)(struct text *, const struct findings *, const struct input *, const struct withheld_record *);
    void       (*ending)(struct text *, const struct findings *, const struct run_result *);   /* may be NULL */
};

extern const struct findings_format findings_text, findings_json, findings_sarif;

#endif
