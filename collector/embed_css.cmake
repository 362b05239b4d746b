# Writes OUTPUT, a C file that holds the text of INPUT as `report_css`. Run by the build.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"report_page.h\"\n\nconst char report_css[] = {${bytes}0};\n")
