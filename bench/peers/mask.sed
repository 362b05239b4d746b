# The job as text: five kinds of secrets, environment maps, the fields that hold run ids. Text knows no structure: run
# ids in messages and URLs stay, and of an environment map the names go with the values. Run with: sed -E -f mask.sed
s/AccountKey=[A-Za-z0-9+\/]{86}==/AccountKey=[redacted]/g
s/ey[IJ][A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/[redacted]/g
s/sig(=|%3D)[A-Za-z0-9%]{43,129}/sig\1[redacted]/g
s/[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{31,34}/[redacted]/g
s/([Pp]assword(=|\\*":\\*"))[^;&\\" ]+/\1[redacted]/g
s/(:\/\/[A-Za-z0-9_.-]+:)[^@/" ]+@/\1[redacted]@/g
s/"EnvironmentVariables":\{("[^"]*":"([^"\\]|\\.)*",?)*\}/"EnvironmentVariables":{}/
s/\\"environmentVariables\\":\{[^}]*\}/\\"environmentVariables\\":{}/
s/"((Root|Parent)?RunId)":"[^"]*"/"\1":"[redacted]"/g
