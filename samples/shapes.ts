const redCircle = 12;
const redSquare = 40;
const blueCircle = 75;
const blueSquare = 93;

assert(blueSquare === 93);
