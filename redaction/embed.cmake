# Writes OUTPUT, a C file that holds the YAML files of rules/ and policies/ under DIRECTORY as bytes. Run by the build.
set(arrays "")
set(number 0)

# Appends an array for each file of `folder` to `arrays`; sets `table` to one row each, made from `row`.
macro(embed folder row)
  set(table "")
  file(GLOB files ${DIRECTORY}/${folder}/*.yaml)
  list(SORT files)
  foreach(path ${files})
    get_filename_component(name ${path} NAME_WE)
    set(array "file_${number}")
    math(EXPR number "${number} + 1")
    file(READ ${path} bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND arrays "static const unsigned char ${array}[] = {${bytes}0};\n")
    string(REPLACE NAME "${name}" line "${row}")
    string(REPLACE ARRAY "${array}" line "${line}")
    string(APPEND table "    {${line}, sizeof ${array} - 1},\n")
  endforeach()
endmacro()

embed(rules "\"rules/NAME.yaml\", ARRAY")
set(rules "${table}")
embed(policies "\"NAME\", (const char *)ARRAY")
set(policies "${table}")

file(WRITE ${OUTPUT}
"#include \"redaction/policies_builtin.h\"
#include \"redaction/rules_priv.h\"

${arrays}
const struct rule_source rule_sources[] = {
${rules}    {NULL, NULL, 0},
};

const struct builtin_policy builtin_policies[] = {
${policies}    {NULL, NULL, 0},
};
")
