"use strict";
(() => {
  const wanted = document.getElementById(`show-${navigator.language.slice(0, 2)}`);
  if (wanted) wanted.checked = true;
})();
