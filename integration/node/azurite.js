// Azurite's queue service, as it comes from npm. It ends when stdin does, so that nothing is left of it
// whatever becomes of the test.
'use strict';
process.stdin.resume().on('close', () => process.exit(0));
require('azurite/dist/src/queue/main.js');
