// One service of Azurite, as it comes from npm: the first argument says whether blob or queue. It ends when
// stdin does, so that nothing is left of it whatever becomes of the test.
'use strict';
process.stdin.resume().on('close', () => process.exit(0));
const [service] = process.argv.splice(2, 1);
require(`azurite/dist/src/${service}/main.js`);
