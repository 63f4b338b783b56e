"use strict";
// How numbers are written, the same way everywhere on the page: a true minus sign, and no break before a percent sign.
const figures = (() => {
  const MINUS = "\u2212";
  const plain = (value) => (Math.abs(value) < 0.0005 ? "0.000" : `${value < 0 ? MINUS : ""}${Math.abs(value).toFixed(3)}`);
  const signed = (value) => (value >= 0.0005 ? `+${plain(value)}` : plain(value));

  function percent(value) {
    if (value < 0.001) return "<\u00a00.1\u00a0%";
    return value < 1 && value > 0.999 ? ">\u00a099.9\u00a0%" : `${(100 * value).toFixed(1)}\u00a0%`;
  }

  return { plain, signed, percent, whole: (value) => `${Math.round(100 * value)}\u00a0%` };
})();
