/* The numbers of the names in kinds.def: name_set_new() gives each of its names the number of its enumerator. */
#ifndef LETHE_PARSER_KINDS_PRIV_H
#define LETHE_PARSER_KINDS_PRIV_H

#include "parser/kinds.h"

enum known_name {
    NAME_NONE,
#define NAME(id, text) NAME_##id,
#include "parser/kinds.def"
    NAME_COUNT,
    NAME_EACH = UINT16_MAX,   /* in a path: the elements of an array */
};

#endif
