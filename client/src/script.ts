// Loaded by a script tag: defines the class as a global of the same name.

import { Hexpush } from "./hexpush.js";

(globalThis as { Hexpush?: typeof Hexpush }).Hexpush = Hexpush;
